#include "raft/snapshot_receiver.h"

#include "base/check.h"

namespace mesh::raft {

SnapshotReceiver::Verdict SnapshotReceiver::receive(ServerId leader, const SnapshotChunk& chunk) {
  if (installing()) return Verdict::Wait;
  const bool known = current_ && current_->id == chunk.snapshot && current_->leader == leader;
  if (!known) {
    if (chunk.sequence != 0) return Verdict::Refuse;
    current_ = Incoming{.id = chunk.snapshot, .leader = leader, .base = chunk.base};
  }
  Incoming& in = *current_;
  if (chunk.sequence < in.stored) return Verdict::Stored;
  if (chunk.sequence < in.expected) return Verdict::Wait;
  const bool intact = chunk.sequence == in.expected && !in.complete && chunk.base == in.base &&
                      chunk.data.size() <= kSnapshotChunkBytesMax &&
                      chunk.checksum == snapshot_checksum(in.checksum, chunk.data);
  if (!intact) return Verdict::Refuse;
  in.checksum = chunk.checksum;
  in.complete = chunk.last;
  ++in.expected;
  return Verdict::Store;
}

bool SnapshotReceiver::written(std::uint64_t id, std::uint64_t sequence) {
  if (!current_ || current_->id != id || sequence != current_->stored) return false;
  CHECK(sequence < current_->expected, "chunk {} was not received", sequence);
  ++current_->stored;
  return true;
}

void SnapshotReceiver::begin_install() {
  CHECK(whole() && !current_->installing);
  current_->installing = true;
}

}  // namespace mesh::raft
