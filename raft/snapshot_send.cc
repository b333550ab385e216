// A leader's side of snapshot transfers. One chunk is out at a time and is repeated until it is answered.
#include <utility>

#include "base/check.h"
#include "raft/node.h"

namespace mesh::raft {

void Node::begin_snapshot(Progress& progress) {
  const SnapshotId id(next_snapshot_id_++);
  progress.begin_sending(id);
  actions_.snapshots.push_back(OpenSnapshot{id, log_.base().index});
}

std::pair<ServerId, Progress*> Node::snapshot_owner(SnapshotId id) {
  if (LeaderState* leader = leading()) {
    for (auto& [server, progress] : leader->followers) {
      const Sending* sending = progress.sending();
      if (sending != nullptr && sending->id == id && sending->phase != Sending::Phase::Pausing)
        return {server, &progress};
    }
  }
  return {kNoServer, nullptr};
}

void Node::on(SnapshotOpened event) {
  const auto [server, progress] = snapshot_owner(event.id);
  if (progress == nullptr || progress->sending()->phase != Sending::Phase::Opening) return;
  if (event.applied < log_.base().index) return pause_snapshot(*progress);
  CHECK(event.applied <= handed_, "a snapshot of {}, handed out {}", event.applied.value(), handed_.value());
  const auto& in_force = history_.at(event.applied);
  Sending& sending = *progress->sending();
  sending.base = {{event.applied, log_.term_at(event.applied)}, in_force.configuration, in_force.index};
  sending.phase = Sending::Phase::Reading;
  actions_.snapshots.push_back(ReadSnapshot{event.id});
}

void Node::on(SnapshotRead event) {
  const auto [server, progress] = snapshot_owner(event.id);
  if (progress == nullptr || progress->sending()->phase != Sending::Phase::Reading) return;
  CHECK(event.data.size() <= kSnapshotChunkBytesMax, "a chunk of {} bytes", event.data.size());
  Sending& sending = *progress->sending();
  sending.checksum = snapshot_checksum(sending.checksum, event.data);
  sending.chunk = {.snapshot = sending.id.value(),
                   .base = sending.base,
                   .sequence = sending.sequence,
                   .last = event.last,
                   .data = std::move(event.data),
                   .checksum = sending.checksum};
  sending.phase = Sending::Phase::Waiting;
  send_chunk(server, *progress);
}

void Node::send_chunk(ServerId id, Progress& progress) {
  progress.sending()->retry_at = now_ + options_.retry_interval;
  send(id, progress.sending()->chunk);
}

void Node::handle(const Message& message, const SnapshotResponse& response) {
  Progress* progress = admit_follower(message.from, response.repair_nonce);
  if (progress == nullptr) return;
  if (response.progress == SnapshotProgress::Installed) {
    if (!CONTAIN(response.index <= log_.last().index, "server {} installed {} of {}", message.from.value(),
                 response.index.value(), log_.last().index.value()))
      return;
    progress->accepted(response.index);
    const Sending* done = progress->sending();
    if (done == nullptr) return;
    // An answer to an earlier transfer ends this one only if the log reaches back far enough by now.
    if (done->id.value() != response.snapshot && progress->match() < log_.base().index) return;
    close_snapshot(*progress);
    progress->begin_probe(progress->match() + 1);
    return;
  }
  Sending* sending = progress->sending();
  if (sending == nullptr || sending->id.value() != response.snapshot || sending->phase != Sending::Phase::Waiting)
    return;
  if (response.progress == SnapshotProgress::Restart) return pause_snapshot(*progress);
  if (response.sequence != sending->sequence || sending->chunk.last) return;
  ++sending->sequence;
  sending->phase = Sending::Phase::Reading;
  sending->chunk = {};
  sending->retry_at = kNever;
  actions_.snapshots.push_back(ReadSnapshot{sending->id});
}

// Gives the attempt up; another begins after a while, with a newer snapshot.
void Node::pause_snapshot(Progress& progress) {
  close_snapshot(progress);
  progress.pause_sending(now_ + options_.retry_interval);
}

void Node::close_snapshot(Progress& progress) {
  const Sending* sending = progress.sending();
  if (sending != nullptr && sending->phase != Sending::Phase::Pausing)
    actions_.snapshots.push_back(CloseSnapshot{sending->id});
}

void Node::check_snapshot_timers() {
  for (auto& [id, progress] : leading()->followers) {
    const Sending* sending = progress.sending();
    if (sending == nullptr || now_ < sending->retry_at) continue;
    if (sending->phase == Sending::Phase::Waiting) {
      send_chunk(id, progress);
    } else {
      progress.begin_probe(progress.next());
    }
  }
}

}  // namespace mesh::raft
