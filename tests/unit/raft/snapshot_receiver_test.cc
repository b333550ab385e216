#include "raft/snapshot_receiver.h"

#include "tests/test.h"

namespace mesh::raft {
namespace {

using Verdict = SnapshotReceiver::Verdict;
constexpr ServerId kLeader{1};

// The chunks of a transfer of three.
std::vector<SnapshotChunk> chunks(std::uint64_t id) {
  std::vector<SnapshotChunk> out;
  std::uint64_t checksum = 0;
  for (std::uint64_t i = 0; i < 3; ++i) {
    SnapshotChunk chunk;
    chunk.snapshot = id;
    chunk.base.position = {Index(9), Term(2)};
    chunk.sequence = i;
    chunk.last = i == 2;
    chunk.data = Bytes(i + 1, 'r');
    chunk.checksum = checksum = snapshot_checksum(checksum, chunk.data);
    out.push_back(chunk);
  }
  return out;
}

TEST_CASE("chunks are taken in order and make a whole when all are stored") {
  SnapshotReceiver receiver;
  const auto all = chunks(5);
  for (const auto& chunk : all) {
    EXPECT(receiver.receive(kLeader, chunk) == Verdict::Store);
    EXPECT(receiver.receive(kLeader, chunk) == Verdict::Wait);
    EXPECT_FALSE(receiver.whole());
    EXPECT(receiver.written(5, chunk.sequence));
    EXPECT(receiver.receive(kLeader, chunk) == Verdict::Stored);
  }
  EXPECT(receiver.whole());
  receiver.begin_install();
  EXPECT(receiver.receive(kLeader, chunks(6)[0]) == Verdict::Wait);
  EXPECT(receiver.id() == 5);
}

TEST_CASE("a chunk that is missing, damaged or exchanged is refused") {
  SnapshotReceiver receiver;
  auto all = chunks(5);
  EXPECT(receiver.receive(kLeader, all[1]) == Verdict::Refuse);
  EXPECT(receiver.receive(kLeader, all[0]) == Verdict::Store);
  EXPECT(receiver.written(5, 0));
  SUBCASE("missing") { EXPECT(receiver.receive(kLeader, all[2]) == Verdict::Refuse); }
  SUBCASE("damaged") {
    all[1].data[0] ^= 1;
    EXPECT(receiver.receive(kLeader, all[1]) == Verdict::Refuse);
  }
  SUBCASE("of another base") {
    all[1].base.position.index = Index(10);
    EXPECT(receiver.receive(kLeader, all[1]) == Verdict::Refuse);
  }
  SUBCASE("of another leader") { EXPECT(receiver.receive(ServerId(3), all[1]) == Verdict::Refuse); }
}

TEST_CASE("a newer transfer replaces one that is not installed yet") {
  SnapshotReceiver receiver;
  EXPECT(receiver.receive(kLeader, chunks(5)[0]) == Verdict::Store);
  EXPECT(receiver.receive(kLeader, chunks(6)[0]) == Verdict::Store);
  EXPECT_FALSE(receiver.written(5, 0));
  EXPECT(receiver.written(6, 0));
}

}  // namespace
}  // namespace mesh::raft
