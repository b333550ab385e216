// A message from the wire: decoding refuses or returns a message that encodes to the same meaning; a core that
// receives it keeps its invariants.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "raft/configuration.h"
#include "raft/core.h"

using namespace mesh;
using namespace mesh::raft;

namespace {

RecoveredState follower_state() {
  RecoveredState state;
  state.log.hard_state = {Term(3), kNoServer};
  state.log.base.configuration = make_configuration({ServerId(1), ServerId(2), ServerId(3)}, {}).value();
  for (std::uint64_t i = 1; i <= 4; ++i)
    state.log.entries.push_back({Index(i), Term(1 + i / 2), EntryKind::Command, "x"});
  state.tables.applied = Index(2);
  return state;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool quiet = [] {
    set_contain_sink([](const CheckSite&, std::string_view) {});
    return true;
  }();
  (void)quiet;
  auto message = decode_message(ByteView(reinterpret_cast<const char*>(data), size));
  if (!message.ok()) return 0;
  const auto again = decode_message(encode_message(*message));
  CHECK(again.ok() && *again == *message);
  (void)describe(*message);
  Core core(CoreOptions{}, ServerId(1), follower_state(), Rng(1), MonoTime{});
  message->to = ServerId(1);
  (void)core.step(MonoTime{} + seconds(1), Receive{std::move(*message)});
  core.check_invariants();
  return 0;
}
