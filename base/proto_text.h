// The .proto text that describes field tables, for programs that are not ours and for the tests against libprotobuf.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/message.h"

namespace mesh {

// A proto3 file with the given messages and all that they contain, each once, in order of first use; the docs of the
// table become comments. `package` may be empty. REQUIRES type names unique among what is reachable.
[[nodiscard]] std::string proto_text(std::string_view package, std::span<const MessageTable* const> messages);

}  // namespace mesh
