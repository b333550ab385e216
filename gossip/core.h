// One member's part of the pool: SWIM (Das, Gupta, Motivala 2002) with Lifeguard (Dadgar, Phillips, Currey 2018) and what
// docs/decisions/gossip.md adds. A pure state machine: no clock, socket or thread inside; the same events at the same
// times and the same seed give the same actions.
//
// The driver (gossip/driver.h, tests/sim) calls step for each event, carries out the Actions, and calls step with Tick
// when next_deadline() passes.
//
// Thread: one. Ownership: the core owns all its state; events and actions are moved. Errors: what others send and a
// correct member would not is dropped and counted (Counts); a broken invariant of our own stops the process (CHECK).
// Cost: O(log members) per rumor; next_deadline is kept. Memory: about 400 bytes per member.
//
// To add something, start here: an event in gossip/event.h, an action in gossip/actions.h, a handler file beside
// gossip/probe.cc, the checker in tests/sim/gossip_checker.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/rng.h"
#include "base/time.h"
#include "gossip/actions.h"
#include "gossip/envelope.h"
#include "gossip/event.h"
#include "gossip/member.h"
#include "gossip/options.h"

namespace mesh::gossip {

class Node;

// Who this member is.
struct Identity {
  NodeId id;
  PeerAddress address;   // where others reach it
  Attributes attributes;
  // The wall clock in milliseconds when the process started; at least 1. A restarted member is believed at once when this
  // is above all it said before, and after one round of refutation when it is not (the clock was set back).
  Incarnation first_incarnation{1};
};

// Counters since the start, and levels; for metrics and tests.
struct Counts {
  std::uint64_t packets_refused = 0;    // not opened or not decoded
  std::uint64_t unknown_key = 0;        // among them: sealed with a key that is not here
  std::uint64_t probes = 0;
  std::uint64_t probes_failed = 0;
  std::uint64_t suspicions = 0;
  std::uint64_t failures_declared = 0;  // by this member
  std::uint64_t refutations = 0;        // rumors about this member that it had to contradict
  std::uint64_t exchanges = 0;
  std::uint64_t exchanges_failed = 0;
  std::uint64_t members_refused = 0;    // the table is full
  std::uint64_t lags = 0;               // this process was stopped for a while
  std::uint32_t health_score = 0;       // 0: well
  std::size_t members = 0;              // in any state, without this one
  std::size_t alive = 0;                // alive or suspect, without this one
  std::size_t rumors_queued = 0;
  std::size_t probes_open = 0;
  std::size_t relays_open = 0;
};

class Core {
 public:
  // REQUIRES options.validate().ok(), a valid identity and a seal. Nothing is sent before the first Join or packet.
  Core(const CoreOptions& options, Identity self, std::shared_ptr<const Seal> seal, Rng rng, MonoTime now);
  ~Core();
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  // A time before that of the call before counts as equal to it.
  [[nodiscard]] Actions step(MonoTime now, Event event);

  // When step(Tick) will do something by itself. Valid until the next step.
  [[nodiscard]] MonoTime next_deadline() const;

  [[nodiscard]] MemberView self() const;
  [[nodiscard]] std::vector<MemberView> members() const;  // by id, without this one
  [[nodiscard]] std::optional<MemberView> find(const NodeId& id) const;
  [[nodiscard]] Counts counts() const;
  [[nodiscard]] const std::shared_ptr<const Seal>& seal() const;  // for the StreamDecoders of the driver

  // Every invariant that can be seen from one member's state. CHECKs.
  void check_invariants() const;

 private:
  std::unique_ptr<Node> node_;
};

}  // namespace mesh::gossip
