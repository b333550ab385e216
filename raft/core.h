// One server's part of the consensus: Raft with pre-vote, check-quorum, ReadIndex, learners, single-server membership
// changes, leadership transfer and snapshot transfer. A pure state machine: no clock, disk, socket or thread inside;
// the same events at the same times and the same seed give the same actions.
//
//   recovered state --> Core      step(now, event) -> Actions      next_deadline()
//
// The driver (server/raft_host, tests/sim) calls step for each event, carries out the Actions, and calls step with
// Tick when next_deadline() passes. docs/decisions/raft-core.md gives the choices, raft/README.md the glossary.
//
// Thread: one (the raft loop). Ownership: the core owns all its state; events and actions are moved.
// Errors: a message that a correct peer cannot send is contained (dropped and counted); a broken invariant of our own
// stops the process (CHECK).
//
// To add something, start here: an event in raft/event.h, an action in raft/actions.h, a handler file beside
// raft/election.cc, a transcript in tests/unit/raft/transcripts/.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/rng.h"
#include "base/time.h"
#include "raft/actions.h"
#include "raft/event.h"
#include "raft/options.h"
#include "raft/storage.h"
#include "raft/types.h"

namespace mesh::raft {

class Node;

// What a leader knows of another server; for `cluster status`, metrics and tests.
struct FollowerView {
  enum class State : std::uint8_t { Probe, Replicate, Snapshot };
  ServerId id;
  bool voter = false;
  State state = State::Probe;
  Index match;  // known to be durable there
  Index next;   // the next entry to send, > match
  MonoTime heard;
  bool damaged = false;
};

class Core {
 public:
  // REQUIRES options.validate().ok(). A server with voters in its configuration begins as a follower; alone, it will
  // lead after the first Tick and one durable write.
  Core(const CoreOptions& options, ServerId self, RecoveredState recovered, Rng rng, MonoTime now);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // A time before that of the call before counts as equal to it.
  [[nodiscard]] Actions step(MonoTime now, Event event);

  // When step(Tick) will do something by itself; kNever if it will not. Valid until the next step.
  [[nodiscard]] MonoTime next_deadline() const;

  // May the leader answer a default read from its applied state now? True only while no other leader can exist: a
  // quorum answered within the lease, an entry of this term and all that is committed are applied, no transfer was begun in this term.
  [[nodiscard]] bool lease_valid(MonoTime now) const;

  [[nodiscard]] ServerId self() const;
  [[nodiscard]] Role role() const;
  [[nodiscard]] Term term() const;
  [[nodiscard]] ServerId leader() const;  // kNoServer: unknown
  [[nodiscard]] Index commit() const;
  [[nodiscard]] Index applied() const;
  [[nodiscard]] LogPosition last() const;     // end of the log, perhaps not durable yet
  [[nodiscard]] Index durable() const;        // end of what is on this server's disk
  [[nodiscard]] LogPosition base() const;     // before the first entry
  [[nodiscard]] bool damaged() const;         // votes are withheld until a leader has repaired the log
  [[nodiscard]] MonoTime leader_heard() const;  // follower: when the leader was last heard (age of stale reads)
  [[nodiscard]] const Configuration& configuration() const;  // in force
  [[nodiscard]] bool configuration_committed() const;
  [[nodiscard]] std::vector<FollowerView> followers() const;  // leader only, by id; else empty

  // Term of an entry of the log or of its base; Term(0) if it is not there.
  [[nodiscard]] Term term_at(Index index) const;

  // Every invariant that can be seen from one server's state. CHECKs. Cheap enough for each step of a test.
  void check_invariants() const;

 private:
  std::unique_ptr<Node> node_;
};

}  // namespace mesh::raft
