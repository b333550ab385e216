#include <algorithm>
#include <cmath>
#include <utility>

#include "gossip/node.h"

namespace mesh::gossip {
namespace {

constexpr double kUnscaledMembers = 32.0;
constexpr Duration kMeetAgainAfter = seconds(1);
constexpr std::uint32_t kMillion = 1'000'000;

// `part` of `whole`, at most all.
std::uint32_t odds(std::size_t part, std::size_t whole) {
  return static_cast<std::uint32_t>(std::uint64_t{kMillion} * std::min(part, whole) / std::max<std::size_t>(whole, 1));
}

}  // namespace

Duration Node::exchange_time() const {
  const double doublings = std::log2(static_cast<double>(pool_size()) / kUnscaledMembers);
  return options_.exchange_interval * (1 + static_cast<std::int64_t>(std::ceil(std::max(0.0, doublings))));
}

Rumor Node::whole_rumor(const Member& member) const {
  Rumor out;
  out.id = id_bytes(member.id);
  out.incarnation = member.incarnation;
  out.state = member.state;
  out.ip = member.address.ip;
  out.port = member.address.port;
  out.attributes = member.attributes;
  if (member.details_incarnation != member.incarnation) out.details_incarnation = member.details_incarnation;
  if (gone(member.state)) out.age = static_cast<std::uint32_t>(std::max<std::int64_t>(0, to_millis(now_ - member.changed) / 1000));
  return out;
}

Bytes Node::whole_table() const {
  StreamMessage out;
  out.sender = self_bytes_;
  out.kind = StreamKind::Exchange;
  out.rumors.reserve(members_.size() + 1);
  out.rumors.push_back(whole_rumor(self_));
  for (const auto& [id, member] : members_) out.rumors.push_back(whole_rumor(member));
  return encode(out);
}

std::size_t Node::exchanges_open() const {
  return static_cast<std::size_t>(
      std::count_if(streams_.begin(), streams_.end(), [](const auto& each) { return !each.second.probe; }));
}

void Node::exchange_with(const PeerAddress& address) {
  if (life_ != Life::Running || exchanges_open() >= options_.streams_max) return;
  ++counts_.exchanges;
  const StreamId id = StreamId::make(rng_);
  streams_[id] = {.probe = std::nullopt, .target = {}};
  actions_.calls.push_back(
      {id, address, seal_->seal_stream(id, Direction::Question, whole_table()), now_ + options_.stream_deadline});
}

void Node::exchange_with_anyone() {
  const auto drawn = order_.draw(1, NodeId(), rng_);
  if (!drawn.empty()) exchange_with(find_member(drawn.front())->address);
}

void Node::on(StreamQuestion event) {
  const StreamMessage& question = event.message;
  if (question.kind == StreamKind::Probe) {
    if (question.target != self_bytes_) return;
    StreamMessage answer;
    answer.sender = self_bytes_;
    answer.kind = StreamKind::Probe;
    answer.target = self_bytes_;
    actions_.answer = seal_->seal_stream(event.id, Direction::Answer, encode(answer));
    return;
  }
  if (question.sender == self_bytes_) return;  // a seed may be our own address
  for (const Rumor& rumor : question.rumors) hear(rumor, id_of(question.sender), Source::Stream);
  actions_.answer = seal_->seal_stream(event.id, Direction::Answer, whole_table());
}

void Node::on(StreamAnswer event) {
  const auto found = streams_.find(event.id);
  if (found == streams_.end()) return;
  const StreamUse use = found->second;
  streams_.erase(found);
  const NodeId sender = id_of(event.message.sender);
  if (use.probe) {
    if (event.message.kind == StreamKind::Probe && sender == use.target) probe_answered(*use.probe);
    return;
  }
  if (event.message.kind != StreamKind::Exchange || sender == self_.id) return;
  for (const Rumor& rumor : event.message.rumors) hear(rumor, sender, Source::Stream);
}

void Node::on(StreamFailed event) {
  const auto found = streams_.find(event.id);
  if (found == streams_.end()) return;
  const StreamUse use = found->second;
  streams_.erase(found);
  if (!use.probe) {
    ++counts_.exchanges_failed;
    return;
  }
  const auto probe = probes_.find(*use.probe);
  if (probe == probes_.end() || !event.refused) return;
  probe->second.refused = true;
  // Its stream ended and its port is closed: answers that are under way may still come.
  if (probe->second.reason == Reason::Urgent) {
    probe->second.ends = std::min(probe->second.ends, now_ + score_.stretched(options_.direct_timeout));
  }
}

void Node::on(Join event) {
  seeds_ = std::move(event.seeds);
  std::erase(seeds_, self_.address);
  if (seeds_.size() > options_.seeds_max) seeds_.resize(options_.seeds_max);
  std::vector<PeerAddress> first = seeds_;
  rng_.shuffle(std::span(first));
  for (const PeerAddress& seed : first) exchange_with(seed);
}

// Members that failed are tried again, so that a pool that was cut in two becomes one. All members together make about
// one try per failed member and interval.
void Node::reconnect() {
  if (life_ != Life::Running) return;
  std::vector<NodeId> failed;
  for (const auto& [id, member] : members_) {
    if (member.state == MemberState::Failed) failed.push_back(id);
  }
  if (!failed.empty() && rng_.chance_ppm(odds(failed.size(), pool_size()))) {
    start_probe(*find_member(failed[rng_.below(failed.size())]), Reason::Reconnect);
  }
  if (!seeds_.empty() && rng_.chance_ppm(odds(1, pool_size()))) try_a_seed();
}

void Node::try_a_seed() {
  const PeerAddress& seed = seeds_[rng_.below(seeds_.size())];
  const bool known = std::any_of(members_.begin(), members_.end(), [&](const auto& each) {
    return !gone(each.second.state) && each.second.address == seed;
  });
  if (!known) exchange_with(seed);
}

void Node::forget() {
  std::erase_if(members_, [this](const auto& each) {
    const Member& member = each.second;
    if (!gone(member.state) || now_ - member.changed < options_.forget_after || probing_.contains(member.id)) return false;
    tell(MemberEventKind::Forgotten, member);
    return true;
  });
}

// Someone with the key talks to us whom we do not know.
void Node::meet(const PeerAddress& from) {
  if (now_ - met_ < kMeetAgainAfter) return;
  met_ = now_;
  exchange_with(from);
}

}  // namespace mesh::gossip
