// Bytes with descriptors over a non-blocking unix stream socket (SCM_RIGHTS). Any thread, one call at a time.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"

namespace mesh::steer {

// Sends all of it, or nothing is of use any more: a frame is far smaller than a socket's buffer, so a part that does not
// fit is an error (Overloaded) and the caller hangs up. REQUIRES bytes is not empty, at most kDescriptorsMax descriptors.
[[nodiscard]] Status send_frame(int socket, ByteView bytes, std::span<const int> descriptors);

enum class Received : std::uint8_t { Some, Nothing, End };

// Appends what has arrived. Code::Invalid: more than kDescriptorsMax descriptors in all; those over it are closed.
[[nodiscard]] Result<Received> receive_some(int socket, Bytes& bytes, std::vector<UniqueFd>& descriptors);

}  // namespace mesh::steer
