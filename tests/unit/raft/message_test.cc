#include "raft/message.h"

#include "raft/configuration.h"
#include "tests/test.h"

namespace mesh::raft {
namespace {

std::vector<MessageBody> bodies() {
  const Entry entry{Index(8), Term(3), EntryKind::Command, Bytes("\0payload", 8)};
  const Entry noop{Index(9), Term(4), EntryKind::Noop, {}};
  const LogBase base{{Index(7), Term(2)}, make_configuration({ServerId(1)}, {ServerId(2)}).value(), Index(6)};
  return {VoteRequest{true, true, {Index(3), Term(2)}},
          VoteResponse{false, true, Term(4)},
          AppendRequest{{Index(7), Term(3)}, Index(6), {entry, noop}, {77, Index(9)}},
          AppendResponse{true, Index(7), {Index(5), Term(1)}, 9},
          Heartbeat{Index(4), 12, {}},
          HeartbeatResponse{12, 0},
          SnapshotChunk{5, base, 2, true, "rows", 99},
          SnapshotResponse{5, SnapshotProgress::Installed, 2, Index(7), 0},
          TimeoutNow{},
          ReadRequest{31},
          ReadResponse{31, Index(8)}};
}

TEST_CASE("every message survives its encoding, full and empty") {
  for (const MessageBody& body : bodies()) {
    const Message message{ServerId(1), ServerId(2), Term(7), body};
    const auto read = decode_message(encode_message(message));
    REQUIRE(read.ok());
    EXPECT(*read == message);
    EXPECT_FALSE(describe(message).empty());
    const MessageBody blank = std::visit([](const auto& b) { return MessageBody(std::decay_t<decltype(b)>{}); }, body);
    const Message empty{ServerId(1), ServerId(2), Term(0), blank};
    const auto read_empty = decode_message(encode_message(empty));
    REQUIRE(read_empty.ok());
    EXPECT(*read_empty == empty);
  }
  EXPECT_EQ(bodies().size(), std::variant_size_v<MessageBody>);
}

TEST_CASE("bytes that are no message are refused") {
  const Bytes good = encode_message({ServerId(1), ServerId(2), Term(7), bodies()[2]});
  EXPECT(decode_message("").error().code == Code::Corrupt);
  EXPECT(decode_message("\x02\x08\x01").error().code == Code::Unsupported);  // a later version
  EXPECT(decode_message("\x01\x08\x01").error().code == Code::Unsupported);  // no body
  EXPECT(decode_message(Bytes(kMessageBytesMax + 1, '\x01')).error().code == Code::Corrupt);
  EXPECT_FALSE(decode_message(ByteView(good).substr(0, good.size() - 1)).ok());
  // Two bodies.
  const Bytes vote = encode_message({ServerId(1), ServerId(2), Term(7), bodies()[0]});
  EXPECT(decode_message(good + vote.substr(1)).error().code == Code::Unsupported);
}

TEST_CASE("only entries and snapshot chunks may wait behind bulk data") {
  for (const MessageBody& body : bodies()) {
    const bool bulk = std::holds_alternative<AppendRequest>(body) || std::holds_alternative<SnapshotChunk>(body);
    EXPECT_EQ(is_urgent({ServerId(1), ServerId(2), Term(1), body}), !bulk);
  }
  EXPECT(is_urgent({ServerId(1), ServerId(2), Term(1), AppendRequest{}}));
}

}  // namespace
}  // namespace mesh::raft
