// The state behind Core and its handlers. Internal to gossip/: users see core.h.
//
// One step = one event handler, then due timers. Handlers change state and write into actions_. A file per concern:
//   node.cc      the step, timers, views             packets.cc   packets received and sent, spreading
//   probe.cc     probes, relays, acks                rumors.cc    what is said of members, and of this one
//   suspect.cc   suspicions and their end            exchange.cc  streams, joining, reconnecting, forgetting
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/rng.h"
#include "gossip/core.h"
#include "gossip/health_score.h"
#include "gossip/message.h"
#include "gossip/probe_order.h"
#include "gossip/rumor_queue.h"
#include "gossip/suspicion.h"

namespace mesh::gossip {

struct Member {
  NodeId id;
  MemberState state = MemberState::Alive;
  Incarnation incarnation;
  Incarnation details_incarnation;  // of what follows; at most `incarnation`
  PeerAddress address;
  Bytes attributes;  // encoded
  MonoTime changed;  // `state`
  MonoTime told{};       // when it was last told what is said of it
  MonoTime corrected{};  // when it was last told that this member is past what it said of it
};

// How often each rumor is sent in a pool of that size.
[[nodiscard]] std::uint32_t sends_max_of(const CoreOptions& options, std::size_t pool_size);

class Node {
 public:
  Node(const CoreOptions& options, Identity self, std::shared_ptr<const Seal> seal, Rng rng, MonoTime now);

  [[nodiscard]] Actions step(MonoTime now, Event event);
  [[nodiscard]] MonoTime next_deadline() const { return deadline_; }
  [[nodiscard]] MemberView self() const { return view(self_); }
  [[nodiscard]] std::vector<MemberView> members() const;
  [[nodiscard]] std::optional<MemberView> find(const NodeId& id) const;
  [[nodiscard]] Counts counts() const;
  [[nodiscard]] const std::shared_ptr<const Seal>& seal() const { return seal_; }
  void check_invariants() const;

 private:
  enum class Source : std::uint8_t { Packet, Stream };
  enum class Reason : std::uint8_t { Round, Verify, Urgent, Reconnect };
  enum class Life : std::uint8_t { Running, Leaving, Gone };

  struct Probe {
    NodeId target;
    Reason reason = Reason::Round;
    MonoTime started;
    MonoTime widen_at;  // kNever: done
    MonoTime ends;
    std::uint32_t nacks_expected = 0;
    std::uint32_t nacks = 0;
    bool refused = false;
  };
  struct Relay {
    PeerAddress asker;
    std::uint32_t asker_sequence = 0;
    NodeId target;
    MonoTime nack_at;  // kNever: done
    MonoTime ends;
  };
  struct StreamUse {
    std::optional<std::uint32_t> probe;  // its sequence; none: an exchange
    NodeId target;                       // of the probe
  };

  // --- node.cc ---
  void on(Tick) {}
  void on(ReceivePacket event);
  void on(StreamQuestion event);
  void on(StreamAnswer event);
  void on(StreamFailed event);
  void on(Join event);
  void on(Leave);
  void on(SuspectNow event);
  void on(SetAttributes event);
  void on(ReplaceSeal event) { seal_ = std::move(event.seal); }
  void check_timers();
  void absorb_lag(Duration lag);
  [[nodiscard]] MonoTime earliest_deadline() const;
  [[nodiscard]] MemberView view(const Member& member) const;
  [[nodiscard]] Member* find_member(const NodeId& id);
  [[nodiscard]] std::size_t pool_size() const { return order_.size() + 1; }
  void tell(MemberEventKind kind, const Member& member);
  void finish_leaving();

  // --- packets.cc ---
  void take_packet(const PeerAddress& from, const Packet& packet);
  void send(const PeerAddress& to, const Packet& packet, const Member* target);
  void spread(const Member& about, const NodeId& accuser);
  void gossip();
  void answer_ping(const PeerAddress& from, const NodeId& sender, const Ping& ping);
  void tell_what_is_said(Member& member);
  void correct(const NodeId& sender);
  [[nodiscard]] Packet packet() const;
  [[nodiscard]] Rumor brief_rumor(const Member& member, const NodeId& accuser) const;
  [[nodiscard]] std::uint32_t sends_max() const { return sends_max_of(options_, pool_size()); }

  // --- probe.cc ---
  void probe_next();
  void start_probe(const Member& member, Reason reason);
  void widen(std::uint32_t sequence, Probe& probe);
  void ask_relays(std::uint32_t sequence, Probe& probe, const Member& member);
  void probe_answered(std::uint32_t sequence);
  void probe_failed(std::uint32_t sequence);
  void take_ack(const NodeId& sender, const Answer& answer);
  void take_nack(const Answer& answer);
  void relay_ping(const PeerAddress& from, const PingRequest& request);
  void check_probes();
  void check_relays();
  Probe end_probe(std::map<std::uint32_t, Probe>::iterator probe);
  [[nodiscard]] Duration probe_time() const { return score_.stretched(options_.probe_timeout); }

  // --- rumors.cc ---
  void hear(const Rumor& rumor, const NodeId& sender, Source source);
  void hear_of_self(const Rumor& rumor, const NodeId& sender, Source source);
  void hear_of_stranger(const Rumor& rumor, const NodeId& sender, Source source);
  bool take_details(Member& member, const Rumor& rumor);
  void hear_alive(Member& member, Incarnation incarnation);
  void hear_suspect(Member& member, Incarnation incarnation, const NodeId& accuser);
  void hear_failed(Member& member, Incarnation incarnation, const NodeId& accuser, Source source);
  void hear_left(Member& member, Incarnation incarnation);
  void mark_failed(Member& member, Incarnation incarnation, const NodeId& accuser);
  void mark_gone(Member& member, Incarnation incarnation, MemberState state);
  void renew_self(Incarnation above);
  [[nodiscard]] bool make_room();

  // --- suspect.cc ---
  void suspect(Member& member, Incarnation incarnation, const NodeId& accuser);
  void accuse(Member& member, const Probe& probe);
  void check_suspicions();
  void check_suspicion(Member& member, Suspicion& suspicion);
  [[nodiscard]] MonoTime due(const NodeId& id, const Suspicion& suspicion) const;
  [[nodiscard]] SuspicionTimes suspicion_times() const;

  // --- exchange.cc ---
  void exchange_with(const PeerAddress& address);
  void exchange_with_anyone();
  void reconnect();
  void try_a_seed();
  void forget();
  void meet(const PeerAddress& from);
  [[nodiscard]] Bytes whole_table() const;
  [[nodiscard]] Rumor whole_rumor(const Member& member) const;
  [[nodiscard]] std::size_t exchanges_open() const;
  [[nodiscard]] Duration exchange_time() const;

  const CoreOptions options_;
  std::shared_ptr<const Seal> seal_;
  Rng rng_;
  Member self_;
  Bytes self_bytes_;  // id
  Life life_ = Life::Running;
  std::map<NodeId, Member> members_;  // without self_
  ProbeOrder order_;                  // alive and suspect members
  std::map<NodeId, Suspicion> suspicions_;
  std::map<std::uint32_t, Probe> probes_;
  std::map<NodeId, std::uint32_t> probing_;  // target -> its probe
  std::map<std::uint32_t, Relay> relays_;
  std::map<StreamId, StreamUse> streams_;
  RumorQueue rumors_;
  HealthScore score_;
  std::vector<PeerAddress> seeds_;
  std::vector<NodeId> lately_failed_;  // told of their failure while there is something to spread
  std::uint32_t next_sequence_;
  Counts counts_;

  MonoTime probe_at_;
  MonoTime gossip_at_ = kNever;  // kNever: nothing to spread, or nobody to tell
  MonoTime gossiped_;
  MonoTime exchange_at_;
  MonoTime reconnect_at_;
  MonoTime met_;                 // when a stranger's packet last led to an exchange
  MonoTime leave_at_ = kNever;
  MonoTime leave_latest_ = kNever;

  MonoTime now_;
  MonoTime deadline_ = kNever;
  Actions actions_;
  bool stepping_ = false;
};

}  // namespace mesh::gossip
