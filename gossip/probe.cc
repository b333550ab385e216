#include <algorithm>
#include <iterator>
#include <utility>

#include "gossip/node.h"

namespace mesh::gossip {

void Node::probe_next() {
  if (life_ != Life::Running) return;
  const auto id = order_.next(rng_);
  if (!id) return;
  ++counts_.probes;
  start_probe(*find_member(*id), Reason::Round);
}

// One probe per member at a time; an urgent one makes the one under way use all ways at once.
void Node::start_probe(const Member& member, Reason reason) {
  if (const auto open = probing_.find(member.id); open != probing_.end()) {
    Probe& probe = probes_.at(open->second);
    if (reason != Reason::Urgent) return;
    probe.reason = reason;
    if (probe.widen_at != kNever) widen(open->second, probe);
    return;
  }
  if (probes_.size() >= options_.probes_max) return;
  const std::uint32_t sequence = next_sequence_++;
  Probe& probe = probes_[sequence];
  probe = {.target = member.id, .reason = reason, .started = now_,
           .widen_at = now_ + score_.stretched(options_.direct_timeout), .ends = now_ + probe_time()};
  probing_[member.id] = sequence;
  Packet ping = packet();
  ping.ping = Ping{sequence, id_bytes(member.id)};
  send(member.address, ping, &member);
  if (reason == Reason::Urgent) widen(sequence, probe);
}

// All other ways at once: a second ping (the first may have been lost), relays, TCP.
void Node::widen(std::uint32_t sequence, Probe& probe) {
  probe.widen_at = kNever;
  const Member& member = *find_member(probe.target);
  if (probe.started != now_) {
    Packet ping = packet();
    ping.ping = Ping{sequence, id_bytes(member.id)};
    send(member.address, ping, &member);
  }
  ask_relays(sequence, probe, member);
  StreamMessage question;
  question.sender = self_bytes_;
  question.kind = StreamKind::Probe;
  question.target = id_bytes(member.id);
  const StreamId id = StreamId::make(rng_);
  streams_[id] = {.probe = sequence, .target = member.id};
  actions_.calls.push_back({id, member.address, seal_->seal_stream(id, Direction::Question, encode(question)), probe.ends});
}

void Node::ask_relays(std::uint32_t sequence, Probe& probe, const Member& member) {
  Packet request = packet();
  request.ping_request = PingRequest{sequence, id_bytes(member.id), member.address.ip, member.address.port};
  for (const NodeId& id : order_.draw(options_.indirect_members, member.id, rng_)) {
    const Member& relay = *find_member(id);
    if (relay.state != MemberState::Alive) continue;
    send(relay.address, request, &relay);
    ++probe.nacks_expected;
  }
}

Node::Probe Node::end_probe(std::map<std::uint32_t, Probe>::iterator probe) {
  const Probe out = probe->second;
  probing_.erase(out.target);
  probes_.erase(probe);
  return out;
}

void Node::probe_answered(std::uint32_t sequence) {
  const auto found = probes_.find(sequence);
  if (found == probes_.end()) return;
  const Probe probe = end_probe(found);
  score_.better();
  const Member* member = find_member(probe.target);
  if (member == nullptr) return;
  if (const auto suspicion = suspicions_.find(probe.target); suspicion != suspicions_.end()) {
    suspicion->second.answered(now_);
  }
  if (member->state == MemberState::Failed) exchange_with(member->address);
}

// Relays that said nothing at all make it likely that the fault is here (Lifeguard).
void Node::probe_failed(std::uint32_t sequence) {
  const Probe probe = end_probe(probes_.find(sequence));
  ++counts_.probes_failed;
  if (probe.reason == Reason::Reconnect) return;
  score_.worse(probe.nacks_expected == 0 ? 1 : probe.nacks_expected - std::min(probe.nacks, probe.nacks_expected));
  Member* member = find_member(probe.target);
  if (member != nullptr && !gone(member->state)) accuse(*member, probe);
}

void Node::take_ack(const NodeId& sender, const Answer& answer) {
  const auto relay = relays_.find(answer.sequence);
  if (relay != relays_.end() && sender == relay->second.target && answer.about == id_bytes(sender)) {
    Packet ack = packet();
    ack.ack = Answer{relay->second.asker_sequence, answer.about};
    const PeerAddress asker = relay->second.asker;
    relays_.erase(relay);
    send(asker, ack, nullptr);
    return;
  }
  const auto probe = probes_.find(answer.sequence);
  if (probe != probes_.end() && answer.about == id_bytes(probe->second.target)) probe_answered(answer.sequence);
}

void Node::take_nack(const Answer& answer) {
  const auto probe = probes_.find(answer.sequence);
  if (probe != probes_.end() && answer.about == id_bytes(probe->second.target)) ++probe->second.nacks;
}

void Node::relay_ping(const PeerAddress& from, const PingRequest& request) {
  if (relays_.size() >= options_.relays_max) return;
  const std::uint32_t sequence = next_sequence_++;
  relays_[sequence] = {.asker = from, .asker_sequence = request.sequence, .target = id_of(request.target),
                       .nack_at = now_ + options_.direct_timeout, .ends = now_ + options_.probe_timeout};
  Packet ping = packet();
  ping.ping = Ping{sequence, request.target};
  send({request.ip, request.port}, ping, find_member(id_of(request.target)));
}

void Node::check_probes() {
  std::vector<std::uint32_t> ended;
  for (auto& [sequence, probe] : probes_) {
    if (now_ >= probe.ends) ended.push_back(sequence);
    else if (now_ >= probe.widen_at) widen(sequence, probe);
  }
  for (const std::uint32_t sequence : ended) probe_failed(sequence);
}

void Node::check_relays() {
  for (auto next = relays_.begin(); next != relays_.end();) {
    const auto relay = next++;
    if (now_ >= relay->second.nack_at) {
      relay->second.nack_at = kNever;
      Packet nack = packet();
      nack.nack = Answer{relay->second.asker_sequence, id_bytes(relay->second.target)};
      send(relay->second.asker, nack, nullptr);
    }
    if (now_ >= relay->second.ends) relays_.erase(relay);
  }
}

}  // namespace mesh::gossip
