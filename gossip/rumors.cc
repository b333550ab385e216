#include <algorithm>
#include <utility>

#include "base/mutant.h"
#include "gossip/node.h"

namespace mesh::gossip {
namespace {

constexpr std::uint32_t kMillion = 1'000'000;

bool has_details(const Rumor& rumor) { return !rumor.ip.empty(); }

}  // namespace

void Node::hear(const Rumor& rumor, const NodeId& sender, Source source) {
  const NodeId about = id_of(rumor.id);
  if (about == self_.id) return hear_of_self(rumor, sender, source);
  Member* member = find_member(about);
  if (member == nullptr) return hear_of_stranger(rumor, sender, source);
  const std::size_t told = actions_.events.size();
  const Incarnation before = member->incarnation;
  const bool changed = take_details(*member, rumor);
  // Only the member itself makes details, so they say that it was alive in that incarnation.
  if (member->details_incarnation > before && !(gone(rumor.state) && gone(member->state))) {
    hear_alive(*member, member->details_incarnation);
  }
  const NodeId accuser = rumor.accuser.empty() ? sender : id_of(rumor.accuser);
  switch (rumor.state) {
    case MemberState::Alive: hear_alive(*member, rumor.incarnation); break;
    case MemberState::Suspect: hear_suspect(*member, rumor.incarnation, accuser); break;
    case MemberState::Failed: hear_failed(*member, rumor.incarnation, accuser, source); break;
    case MemberState::Left: hear_left(*member, rumor.incarnation); break;
  }
  if (changed && actions_.events.size() == told && !gone(member->state)) tell(MemberEventKind::Changed, *member);
}

// Whatever is not what this member says itself is contradicted by a higher incarnation. One that leaves has the last word.
void Node::hear_of_self(const Rumor& rumor, const NodeId& sender, Source source) {
  if (rumor.incarnation < self_.incarnation) {
    if (source == Source::Packet && rumor.state != MemberState::Alive) correct(sender);
    return;
  }
  if (life_ != Life::Running) {
    if (rumor.incarnation == self_.incarnation) return;
    self_.incarnation = self_.details_incarnation = rumor.incarnation;
    rumors_.supersede(self_.id);
    return spread(self_, NodeId());
  }
  const bool own_words = rumor.state == MemberState::Alive && rumor.incarnation == self_.incarnation &&
                         rumor.attributes == self_.attributes && PeerAddress{rumor.ip, rumor.port} == self_.address;
  if (own_words) return;
  ++counts_.refutations;
  score_.worse();
  renew_self(rumor.incarnation);
}

// Only a rumor with an address makes a member.
void Node::hear_of_stranger(const Rumor& rumor, const NodeId& sender, Source source) {
  if (!has_details(rumor)) return;
  const Duration age = seconds(rumor.age);
  if (gone(rumor.state) && age >= options_.forget_after) return;
  if (!make_room()) {
    ++counts_.members_refused;
    return;
  }
  const NodeId id = id_of(rumor.id);
  const Incarnation details =
      rumor.details_incarnation == Incarnation() ? rumor.incarnation : rumor.details_incarnation;
  Member& member = members_[id];
  member = {.id = id, .state = MemberState::Alive, .incarnation = details, .details_incarnation = details,
            .address = {rumor.ip, rumor.port}, .attributes = rumor.attributes, .changed = now_};
  if (gone(rumor.state)) {
    member.state = rumor.state;
    member.incarnation = rumor.incarnation;
    member.changed = now_ - age;
    if (rumor.state == MemberState::Failed) tell(MemberEventKind::Failed, member);
    return;
  }
  order_.add(id, rng_);
  spread(member, NodeId());
  tell(MemberEventKind::Joined, member);
  if (rumor.state == MemberState::Suspect) hear(rumor, sender, source);
}

// The member that is gone longest makes room; those that are there never do.
bool Node::make_room() {
  if (members_.size() < options_.members_max) return true;
  const Member* oldest = nullptr;
  for (const auto& [id, member] : members_) {
    if (gone(member.state) && (oldest == nullptr || member.changed < oldest->changed)) oldest = &member;
  }
  if (oldest == nullptr) return false;
  tell(MemberEventKind::Forgotten, *oldest);
  members_.erase(oldest->id);
  return true;
}

// True if something in them differs. What is said of the member in the same rumor is at least as new.
bool Node::take_details(Member& member, const Rumor& rumor) {
  if (!has_details(rumor)) return false;
  const Incarnation of = rumor.details_incarnation == Incarnation() ? rumor.incarnation : rumor.details_incarnation;
  if (of <= member.details_incarnation) return false;
  member.details_incarnation = of;
  PeerAddress address{rumor.ip, rumor.port};
  const bool changed = address != member.address || rumor.attributes != member.attributes;
  member.address = std::move(address);
  member.attributes = rumor.attributes;
  return changed;
}

void Node::hear_alive(Member& member, Incarnation incarnation) {
  if (incarnation <= member.incarnation && !MESH_MUTANT(GossipOldNewsTaken)) return;
  const MemberState before = member.state;
  member.incarnation = incarnation;
  member.state = MemberState::Alive;
  if (before != MemberState::Alive) member.changed = now_;
  suspicions_.erase(member.id);
  rumors_.supersede(member.id);
  if (gone(before)) order_.add(member.id, rng_);
  spread(member, NodeId());
  if (before == MemberState::Failed) tell(MemberEventKind::Recovered, member);
  if (before == MemberState::Left) tell(MemberEventKind::Joined, member);
}

void Node::hear_suspect(Member& member, Incarnation incarnation, const NodeId& accuser) {
  if (incarnation < member.incarnation || gone(member.state)) return;
  const auto open = suspicions_.find(member.id);
  if (open != suspicions_.end() && incarnation == member.incarnation) {
    if (open->second.confirm(accuser)) spread(member, accuser);
    return;
  }
  suspect(member, incarnation, accuser);
  const auto odds = static_cast<std::uint32_t>(std::uint64_t{kMillion} * options_.verifiers / std::max<std::size_t>(order_.size(), 1));
  if (life_ == Life::Running && rng_.chance_ppm(odds)) start_probe(member, Reason::Verify);
}

// From a packet, and after a suspicion that the member did not contradict, this is final. Else it is what another part of
// the pool believed, or all of the suspicion was lost: then it counts as a suspicion that everybody confirms.
void Node::hear_failed(Member& member, Incarnation incarnation, const NodeId& accuser, Source source) {
  if (incarnation < member.incarnation) return;
  if (gone(member.state)) {
    if (incarnation == member.incarnation) return;
    return mark_failed(member, incarnation, accuser);
  }
  const bool suspected = member.state == MemberState::Suspect && incarnation == member.incarnation;
  if (suspected && source == Source::Packet) return mark_failed(member, incarnation, accuser);
  if (!suspected) suspect(member, incarnation, accuser);
  suspicions_.at(member.id).confirm_fully();
  if (life_ == Life::Running) start_probe(member, Reason::Verify);
}

void Node::hear_left(Member& member, Incarnation incarnation) {
  if (incarnation < member.incarnation || (member.state == MemberState::Left && incarnation == member.incarnation)) return;
  const bool news = member.state != MemberState::Left;
  mark_gone(member, incarnation, MemberState::Left);
  spread(member, NodeId());
  if (news) tell(MemberEventKind::Left, member);
}

void Node::mark_failed(Member& member, Incarnation incarnation, const NodeId& accuser) {
  const bool news = member.state != MemberState::Failed;
  mark_gone(member, incarnation, MemberState::Failed);
  spread(member, accuser);
  if (!news) return;
  lately_failed_.push_back(member.id);
  tell(MemberEventKind::Failed, member);
}

void Node::mark_gone(Member& member, Incarnation incarnation, MemberState state) {
  if (member.state != state) member.changed = now_;
  member.state = state;
  member.incarnation = incarnation;
  suspicions_.erase(member.id);
  order_.remove(member.id);
  rumors_.supersede(member.id);
  if (const auto probe = probing_.find(member.id); probe != probing_.end()) end_probe(probes_.find(probe->second));
}

}  // namespace mesh::gossip
