#include "gossip/node.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"

namespace mesh::gossip {
namespace {

constexpr std::size_t kRumorsPerMember = 4;  // accusers and states of one member in the queue
constexpr std::size_t kRumorsMin = 4'096;

}  // namespace

Node::Node(const CoreOptions& options, Identity self, std::shared_ptr<const Seal> seal, Rng rng, MonoTime now)
    : options_(options), seal_(std::move(seal)), rng_(rng), self_bytes_(id_bytes(self.id)),
      rumors_(std::max(kRumorsMin, kRumorsPerMember * options.members_max)), score_(options.health_score_max),
      next_sequence_(static_cast<std::uint32_t>(rng_.next())), now_(now) {
  CHECK(options_.validate().ok(), "gossip options");
  CHECK(!self.id.is_nil() && self.address.valid(), "gossip identity");
  CHECK(self.first_incarnation >= Incarnation(1) && self.first_incarnation < kIncarnationMax, "incarnation {}",
        self.first_incarnation.value());
  self_ = {.id = self.id, .incarnation = self.first_incarnation, .details_incarnation = self.first_incarnation,
           .address = std::move(self.address), .attributes = encode(self.attributes), .changed = now};
  CHECK(self_.attributes.size() <= kAttributesBytesMax, "attributes of {} bytes", self_.attributes.size());
  met_ = gossiped_ = now - hours(1);
  probe_at_ = now + rng_.between(Duration(0), options_.probe_interval);
  exchange_at_ = now + rng_.between(Duration(0), options_.exchange_interval);
  reconnect_at_ = now + rng_.between(Duration(0), options_.reconnect_interval);
  spread(self_, NodeId());
  deadline_ = earliest_deadline();
}

Actions Node::step(MonoTime now, Event event) {
  CHECK(!stepping_, "gossip step inside a step");
  stepping_ = true;
  actions_ = Actions();
  now_ = std::max(now_, now);
  if (deadline_ != kNever && now_ - deadline_ > options_.lag_tolerance) absorb_lag(now_ - deadline_);
  if (life_ != Life::Gone) {
    std::visit([this](auto&& e) { on(std::forward<decltype(e)>(e)); }, std::move(event));
    check_timers();
  }
  deadline_ = earliest_deadline();
  stepping_ = false;
  return std::move(actions_);
}

void Node::check_timers() {
  check_probes();
  check_relays();
  check_suspicions();
  if (now_ >= probe_at_) {
    probe_at_ = now_ + score_.stretched(options_.probe_interval);
    probe_next();
  }
  if (now_ >= exchange_at_) {
    exchange_at_ = now_ + exchange_time();
    exchange_with_anyone();
  }
  if (now_ >= reconnect_at_) {
    reconnect_at_ = now_ + options_.reconnect_interval;
    forget();
    reconnect();
  }
  if (now_ >= gossip_at_) gossip();
  if (life_ == Life::Leaving) finish_leaving();
}

// We did not run when we should have: answers may wait unread, so nobody else is to blame for the time.
void Node::absorb_lag(Duration lag) {
  ++counts_.lags;
  score_.worse();
  for (auto& [sequence, probe] : probes_) {
    probe.ends += lag;
    if (probe.widen_at != kNever) probe.widen_at += lag;
  }
  for (auto& [id, suspicion] : suspicions_) suspicion.postpone(lag);
}

MonoTime Node::earliest_deadline() const {
  if (life_ == Life::Gone) return kNever;
  MonoTime earliest = std::min({gossip_at_, exchange_at_, reconnect_at_});
  if (life_ == Life::Running) earliest = std::min(earliest, probe_at_);
  for (const auto& [sequence, probe] : probes_) earliest = std::min({earliest, probe.widen_at, probe.ends});
  for (const auto& [sequence, relay] : relays_) earliest = std::min({earliest, relay.nack_at, relay.ends});
  if (life_ == Life::Running) {
    for (const auto& [id, suspicion] : suspicions_) earliest = std::min(earliest, due(id, suspicion));
  }
  return std::min({earliest, leave_at_, leave_latest_});
}

void Node::on(ReceivePacket event) {
  const auto plain = seal_->open_packet(event.data);
  if (!plain.ok() && plain.error().code == Code::NotFound) ++counts_.unknown_key;
  auto packet = plain.ok() ? decode_packet(*plain) : Result<Packet>(plain.error());
  if (!packet.ok()) {
    ++counts_.packets_refused;
    return;
  }
  if (packet->sender != self_bytes_) take_packet(event.from, *packet);
}

// The bits that change when a member speaks of itself.
void Node::renew_self(Incarnation above) {
  const Incarnation next = MESH_MUTANT(GossipRefutesUnchanged) ? self_.incarnation : std::max(self_.incarnation, above) + 1;
  if (next > kIncarnationMax) return;  // nobody with the key is honest who says so; there is nothing above to say
  self_.incarnation = self_.details_incarnation = next;
  rumors_.supersede(self_.id);
  spread(self_, NodeId());
}

void Node::on(SetAttributes event) {
  Bytes encoded = encode(event.attributes);
  CHECK(encoded.size() <= kAttributesBytesMax, "attributes of {} bytes", encoded.size());
  if (encoded == self_.attributes || life_ != Life::Running) return;
  self_.attributes = std::move(encoded);
  renew_self(Incarnation());
}

void Node::on(Leave) {
  if (life_ != Life::Running) return;
  life_ = Life::Leaving;
  self_.state = MemberState::Left;
  self_.changed = now_;
  leave_at_ = now_ + options_.leave_time;
  leave_latest_ = now_ + 3 * options_.leave_time;
  probes_.clear();
  probing_.clear();
  rumors_.supersede(self_.id);
  spread(self_, NodeId());
}

void Node::finish_leaving() {
  const bool spread_out = order_.size() == 0 || !rumors_.holds(self_.id);
  if (now_ >= leave_at_) leave_at_ = kNever;
  if (now_ < leave_latest_ && (leave_at_ != kNever || !spread_out)) return;
  life_ = Life::Gone;
  actions_.left = true;
}

void Node::on(SuspectNow event) {
  const Member* member = find_member(event.id);
  if (member != nullptr && !gone(member->state) && life_ == Life::Running) start_probe(*member, Reason::Urgent);
}

Member* Node::find_member(const NodeId& id) {
  const auto found = members_.find(id);
  return found == members_.end() ? nullptr : &found->second;
}

void Node::tell(MemberEventKind kind, const Member& member) { actions_.events.push_back({kind, view(member)}); }

MemberView Node::view(const Member& member) const {
  MemberView out{.id = member.id, .state = member.state, .incarnation = member.incarnation, .address = member.address,
                 .attributes = {}, .changed = member.changed};
  // What is stored was decoded before.
  if (auto attributes = decode<Attributes>(member.attributes); attributes.ok()) out.attributes = std::move(*attributes);
  return out;
}

std::vector<MemberView> Node::members() const {
  std::vector<MemberView> out;
  out.reserve(members_.size());
  for (const auto& [id, member] : members_) out.push_back(view(member));
  return out;
}

std::optional<MemberView> Node::find(const NodeId& id) const {
  const auto found = members_.find(id);
  if (found == members_.end()) return std::nullopt;
  return view(found->second);
}

Counts Node::counts() const {
  Counts out = counts_;
  out.health_score = score_.value();
  out.members = members_.size();
  out.alive = order_.size();
  out.rumors_queued = rumors_.size();
  out.probes_open = probes_.size();
  out.relays_open = relays_.size();
  return out;
}

void Node::check_invariants() const {
  CHECK(members_.size() <= options_.members_max, "{} members", members_.size());
  CHECK(probes_.size() <= options_.probes_max, "{} probes", probes_.size());
  CHECK(relays_.size() <= options_.relays_max, "{} relays", relays_.size());
  CHECK(rumors_.sends_most() < sends_max_of(options_, options_.members_max + 1), "a rumor was sent {} times",
        rumors_.sends_most());
  CHECK(probing_.size() == probes_.size(), "{} probed members, {} probes", probing_.size(), probes_.size());
  std::size_t there = 0;
  for (const auto& [id, member] : members_) {
    CHECK(id == member.id && id != self_.id, "member under another id");
    CHECK(member.details_incarnation <= member.incarnation, "details of a later incarnation");
    CHECK(member.address.valid(), "a member without an address");
    CHECK(suspicions_.contains(id) == (member.state == MemberState::Suspect), "suspicion of {}", id.to_string());
    CHECK(order_.contains(id) == !gone(member.state), "{} in the probe order", id.to_string());
    there += gone(member.state) ? 0 : 1;
  }
  CHECK(there == order_.size(), "{} members are there, {} in the probe order", there, order_.size());
  CHECK(life_ == Life::Gone || deadline_ >= now_, "a deadline has passed");
}

}  // namespace mesh::gossip
