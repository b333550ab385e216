// The first message of a Raft stream: refused, or an opening that encodes to the same and whose parts are usable.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "net/address.h"
#include "server/raft_stream.h"

using namespace mesh;
using namespace mesh::server;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto opening = read_opening(ByteView(reinterpret_cast<const char*>(data), size));
  if (!opening.ok()) return 0;
  const auto again = read_opening(encode(*opening));
  CHECK(again.ok() && *again == *opening);
  CHECK(opening->from != opening->to && static_cast<std::size_t>(opening->lane) < kRaftLanes);
  CHECK(net::Address::parse(opening->address).ok());
  return 0;
}
