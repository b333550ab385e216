#include <algorithm>
#include <cmath>
#include <utility>

#include "gossip/node.h"

namespace mesh::gossip {
namespace {

constexpr Duration kTellAgainAfter = seconds(1);
constexpr std::size_t kLatelyFailedMax = 32;
constexpr Duration kLatelyFailed = seconds(30);

}  // namespace

// Of n members that send s times each to anybody, n * e^-s are missed on average: s grows with ln n, and the base is what
// makes a miss rare at all.
std::uint32_t sends_max_of(const CoreOptions& options, std::size_t pool_size) {
  const double natural = std::ceil(std::log(static_cast<double>(pool_size + 1)));
  return options.retransmit_base + options.retransmit_factor * static_cast<std::uint32_t>(natural);
}

Packet Node::packet() const {
  Packet out;
  out.sender = self_bytes_;
  return out;
}

void Node::take_packet(const PeerAddress& from, const Packet& packet) {
  const NodeId sender = id_of(packet.sender);
  for (const Rumor& rumor : packet.rumors) hear(rumor, sender, Source::Packet);
  if (packet.ack) take_ack(sender, *packet.ack);
  if (packet.nack) take_nack(*packet.nack);
  if (packet.ping) answer_ping(from, sender, *packet.ping);
  if (packet.ping_request) relay_ping(from, *packet.ping_request);
  Member* member = find_member(sender);
  if (member == nullptr) {
    meet(from);
  } else if (member->state != MemberState::Alive) {
    tell_what_is_said(*member);
  }
}

void Node::answer_ping(const PeerAddress& from, const NodeId& sender, const Ping& ping) {
  if (ping.target != self_bytes_) return;
  Packet answer = packet();
  answer.ack = Answer{ping.sequence, self_bytes_};
  send(from, answer, find_member(sender));
}

// A member that is up and said to be otherwise is to hear of it first, from whomever it talks to: it will contradict.
void Node::tell_what_is_said(Member& member) {
  if (now_ - member.told < kTellAgainAfter) return;
  send(member.address, packet(), &member);
}

// Someone believes what this member has outlived.
void Node::correct(const NodeId& sender) {
  Member* member = find_member(sender);
  if (member == nullptr || now_ - member->corrected < kTellAgainAfter) return;
  member->corrected = now_;
  Bytes plain = encode(packet());
  append_rumor(plain, encode(brief_rumor(self_, NodeId())));
  actions_.packets.push_back({member->address, seal_->seal_packet(plain)});
}

// `target`, if it is not thought alive, is told so in front of all other rumors.
void Node::send(const PeerAddress& to, const Packet& packet, const Member* target) {
  Bytes plain = encode(packet);
  std::size_t rumors = 0;
  if (target != nullptr && target->state != MemberState::Alive) {
    append_rumor(plain, encode(brief_rumor(*target, self_.id)));
    find_member(target->id)->told = now_;
    ++rumors;
  }
  rumors += rumors_.fill(plain, kPacketPlainBytesMax, sends_max());
  if (rumors == 0 && !packet.ping && !packet.ping_request && !packet.ack && !packet.nack) return;
  actions_.packets.push_back({to, seal_->seal_packet(plain)});
}

Rumor Node::brief_rumor(const Member& member, const NodeId& accuser) const {
  Rumor out;
  out.id = id_bytes(member.id);
  out.incarnation = member.incarnation;
  out.state = member.state;
  if (member.state == MemberState::Suspect || member.state == MemberState::Failed) out.accuser = id_bytes(accuser);
  if (member.state == MemberState::Alive) {
    out.ip = member.address.ip;
    out.port = member.address.port;
    out.attributes = member.attributes;
  }
  return out;
}

// What we hold of the member is news: pass it on.
void Node::spread(const Member& about, const NodeId& accuser) {
  rumors_.put({about.id, accuser}, encode(brief_rumor(about, accuser)));
  if (gossip_at_ == kNever && order_.size() != 0) gossip_at_ = std::max(now_, gossiped_ + options_.gossip_interval);
}

void Node::gossip() {
  gossiped_ = now_;
  if (!rumors_.empty()) {
    for (const NodeId& id : order_.draw(options_.gossip_members, NodeId(), rng_)) {
      const Member& member = *find_member(id);
      send(member.address, packet(), &member);
    }
  }
  std::erase_if(lately_failed_, [this](const NodeId& id) {
    const Member* member = find_member(id);
    return member == nullptr || member->state != MemberState::Failed || now_ - member->changed > kLatelyFailed;
  });
  if (lately_failed_.size() > kLatelyFailedMax) lately_failed_.erase(lately_failed_.begin());
  if (!lately_failed_.empty()) tell_what_is_said(*find_member(lately_failed_[rng_.below(lately_failed_.size())]));
  gossip_at_ = rumors_.empty() || order_.size() == 0 ? kNever : now_ + options_.gossip_interval;
}

}  // namespace mesh::gossip
