// A follower's side of snapshot transfers: chunks are stored by the driver; when all are, the tables are replaced and
// the log begins behind the snapshot.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"
#include "raft/node.h"

namespace mesh::raft {

void Node::handle(const Message& message, const SnapshotChunk& chunk) {
  if (!hear_leader(message.from)) return;
  const bool sound = make_configuration(chunk.base.configuration.voters, chunk.base.configuration.learners).ok() &&
                     chunk.base.configuration_index <= chunk.base.position.index &&
                     chunk.base.position.term <= message.term;
  if (!CONTAIN(sound, "a snapshot of server {} has no sound base", message.from.value())) return;
  if (chunk.base.position.index <= commit_ && !receiver_.installing())
    return answer_snapshot(message.from, chunk.snapshot, SnapshotProgress::Installed, 0, commit_);
  switch (receiver_.receive(message.from, chunk)) {
    case SnapshotReceiver::Verdict::Store:
      actions_.snapshots.push_back(WriteSnapshot{SnapshotId(chunk.snapshot), chunk.sequence, chunk.data});
      return;
    case SnapshotReceiver::Verdict::Stored:
      return answer_snapshot(message.from, chunk.snapshot, SnapshotProgress::Continue, chunk.sequence, {});
    case SnapshotReceiver::Verdict::Wait:
      return;
    case SnapshotReceiver::Verdict::Refuse:
      if (receiver_.active() && receiver_.id() == chunk.snapshot) discard_snapshot();
      return answer_snapshot(message.from, chunk.snapshot, SnapshotProgress::Restart, chunk.sequence, {});
  }
}

void Node::on(SnapshotWritten event) {
  if (!receiver_.written(event.id.value(), event.sequence) || receiver_.whole()) return;
  answer_snapshot(receiver_.leader(), event.id.value(), SnapshotProgress::Continue, event.sequence, {});
}

// Entries that are being applied are finished first.
void Node::install_when_whole() {
  if (!receiver_.whole() || receiver_.installing() || handed_ != applied_) return;
  if (receiver_.base().position.index <= commit_) return discard_snapshot();
  receiver_.begin_install();
  actions_.snapshots.push_back(InstallSnapshot{SnapshotId(receiver_.id()), receiver_.base()});
}

void Node::on(SnapshotInstalled event) {
  CHECK(receiver_.installing() && receiver_.id() == event.id.value(), "snapshot {} is not being installed",
        event.id.value());
  const LogBase base = receiver_.base();
  const ServerId leader = receiver_.leader();
  receiver_.clear();
  adopt_base(base);
  answer_snapshot(leader, event.id.value(), SnapshotProgress::Installed, 0, base.position.index);
}

// The tables hold everything through the base. The log behind it is kept if it continues it.
void Node::adopt_base(const LogBase& base) {
  const Index index = base.position.index;
  if (!log_.holds(base.position) || outbox_.durable() < index) {
    log_.reset(base.position);
    if (!MESH_MUTANT(SnapshotWithoutConfiguration)) history_.reset(base);
    outbox_.reset(base);
    matched_ = index;
  }
  commit_ = std::max(commit_, index);
  applied_ = handed_ = flushed_ = index;
  matched_ = std::max(matched_, index);
}

void Node::on(SnapshotFailed event) {
  if (const auto [server, progress] = snapshot_owner(event.id); progress != nullptr) return pause_snapshot(*progress);
  if (!receiver_.active() || receiver_.id() != event.id.value()) return;
  const ServerId leader = receiver_.leader();
  receiver_.clear();
  actions_.snapshots.push_back(DiscardSnapshot{event.id});
  answer_snapshot(leader, event.id.value(), SnapshotProgress::Restart, 0, {});
}

void Node::answer_snapshot(ServerId leader, std::uint64_t id, SnapshotProgress progress, std::uint64_t sequence,
                           Index index) {
  const SnapshotResponse answer{
      .snapshot = id, .progress = progress, .sequence = sequence, .index = index, .repair_nonce = damage_nonce_};
  if (view().leader != leader) return;  // that transfer was another leader's
  if (progress == SnapshotProgress::Installed) {
    send_when_durable(leader, answer);
  } else {
    send(leader, answer);
  }
}

void Node::discard_snapshot() {
  if (!receiver_.active() || receiver_.installing()) return;
  actions_.snapshots.push_back(DiscardSnapshot{SnapshotId(receiver_.id())});
  receiver_.clear();
}

}  // namespace mesh::raft
