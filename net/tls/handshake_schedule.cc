#include "net/tls/handshake_schedule.h"

#include <algorithm>

#include "base/check.h"

namespace mesh::net {

namespace {

// A moving average over about eight values.
Duration average(Duration so_far, Duration next) { return so_far + (next - so_far) / 8; }

}  // namespace

HandshakeSchedule::Entered HandshakeSchedule::enter(const Entry& entry, MonoTime now) {
  Entered entered{.id = ++last_id_};
  std::set<Id>& waiting = waiting_[index(entry.side)];
  if (waiting.size() >= options_.waiting_max) {
    entered.refused = *waiting.begin();
    forget(handshakes_.find(*entered.refused));
    ++refused_total_;
  }
  handshakes_.emplace(entered.id, Handshake{.entry = entry, .entered = now});
  waiting.insert(entered.id);
  return entered;
}

// ---- the choice ----

HandshakeSchedule::Pick HandshakeSchedule::pick(MonoTime now) {
  Pick pick;
  pick.run = pick_ready(pick, now);
  if (pick.run) return pick;
  // The way that began one less recently goes first, so neither starves the other.
  auto first = HandshakeSide::Client;
  auto second = HandshakeSide::Server;
  if (last_begin_[index(second)] < last_begin_[index(first)]) std::swap(first, second);
  pick.run = pick_waiting(first, pick, now);
  if (!pick.run) pick.run = pick_waiting(second, pick, now);
  return pick;
}

std::optional<HandshakeSchedule::Id> HandshakeSchedule::pick_ready(Pick& pick, MonoTime now) {
  while (!ready_.empty()) {
    const Id id = ready_.begin()->second;
    Handshake& handshake = handshakes_.at(id);
    if (now >= handshake.entry.deadline) {
      drop(id, pick);
      continue;
    }
    ready_.erase(ready_.begin());
    handshake.state = State::Running;
    return id;
  }
  return std::nullopt;
}

std::optional<HandshakeSchedule::Id> HandshakeSchedule::pick_waiting(HandshakeSide side, Pick& pick, MonoTime now) {
  while (!waiting_[index(side)].empty()) {
    if (const MonoTime at = std::max(make_room(side, pick, now), may_begin_at(side, now)); now < at) {
      pick.again = std::min(pick.again, at);
      break;
    }
    const Id id = next_waiting(side, now);
    Handshake& handshake = handshakes_.at(id);
    if (too_late(handshake, now)) {
      drop(id, pick);
      continue;
    }
    begin(id, handshake, now);
    return id;
  }
  return std::nullopt;
}

void HandshakeSchedule::begin(Id id, Handshake& handshake, MonoTime now) {
  const std::size_t side = index(handshake.entry.side);
  waiting_[side].erase(id);
  ++begun_[side];
  last_begin_[side] = now;
  handshake.number = ++last_number_;
  handshake.begun = now;
  handshake.state = State::Running;
  if (handshake.entry.time_begun < handshake.entry.deadline - now) handshake.entry.deadline = now + handshake.entry.time_begun;
}

// When there is room; now, perhaps at the cost of a silent one.
MonoTime HandshakeSchedule::make_room(HandshakeSide side, Pick& pick, MonoTime now) {
  if (begun_[index(side)] < options_.sessions_max) return now;
  const auto& silent = at_peer_[index(side)];
  if (silent.empty()) return kNever;
  const auto [since, id] = *silent.begin();
  if (now - since < kHandshakePeerSlow) return since + kHandshakePeerSlow;
  forget(handshakes_.find(id));
  ++refused_total_;
  pick.gone.push_back(id);
  return now;
}

MonoTime HandshakeSchedule::may_begin_at(HandshakeSide side, MonoTime now) const {
  if (begun_[index(side)] < options_.begun_max) return now;
  return last_begin_[index(side)] + cost_ / (kHandshakeSparePace * static_cast<Duration::rep>(options_.threads));
}

HandshakeSchedule::Id HandshakeSchedule::next_waiting(HandshakeSide side, MonoTime now) const {
  const std::set<Id>& waiting = waiting_[index(side)];
  const Id oldest = *waiting.begin();
  const bool long_wait = now - handshakes_.at(oldest).entered >= kHandshakeWaitLong;
  return long_wait ? *waiting.rbegin() : oldest;
}

// At most an eighth of a handshake's whole time is asked for. What is measured holds waits at the peer, which need not come
// again; and one that has just come must always be tried, or a slow spell would forbid what could show that it is over.
bool HandshakeSchedule::too_late(const Handshake& handshake, MonoTime now) const {
  if (handshake.entry.deadline == kNever) return false;
  const Duration left = handshake.entry.deadline - now;
  const Duration whole = handshake.entry.deadline - handshake.entered;
  return left <= Duration::zero() || left < std::min(typical_[index(handshake.entry.side)], whole / 8);
}

// ---- what happens to a handshake ----

void HandshakeSchedule::ran(Id id, Step result, Duration took, MonoTime now) {
  const auto found = handshakes_.find(id);
  if (found == handshakes_.end()) return;
  Handshake& handshake = found->second;
  DCHECK(handshake.state == State::Running);
  handshake.spent += took;
  if (result == Step::Done) measure(handshake, now);
  if (result != Step::NeedsBytes) return forget(found);
  handshake.state = State::AtPeer;
  handshake.at_peer_since = now;
  at_peer_[index(handshake.entry.side)].emplace(now, id);
}

void HandshakeSchedule::measure(const Handshake& handshake, MonoTime now) {
  Duration& typical = typical_[index(handshake.entry.side)];
  const Duration took = now - handshake.begun;
  typical = typical == Duration::zero() ? took : average(typical, took);
  cost_ = average(cost_, handshake.spent);
}

void HandshakeSchedule::ready(Id id) {
  const auto found = handshakes_.find(id);
  if (found == handshakes_.end()) return;
  Handshake& handshake = found->second;
  CHECK(handshake.state == State::AtPeer, "a handshake has two steps at a time");
  at_peer_[index(handshake.entry.side)].erase({handshake.at_peer_since, id});
  handshake.state = State::Ready;
  ready_.emplace(handshake.number, id);
}

void HandshakeSchedule::leave(Id id) {
  const auto found = handshakes_.find(id);
  if (found != handshakes_.end()) forget(found);
}

void HandshakeSchedule::expire(Id id) {
  const auto found = handshakes_.find(id);
  if (found == handshakes_.end()) return;
  if (found->second.state == State::Waiting || found->second.state == State::Ready) ++dropped_total_;
  forget(found);
}

void HandshakeSchedule::drop(Id id, Pick& pick) {
  expire(id);
  pick.gone.push_back(id);
}

void HandshakeSchedule::forget(Handshakes::iterator which) {
  const auto& [id, handshake] = *which;
  const std::size_t side = index(handshake.entry.side);
  if (handshake.state == State::Waiting)
    waiting_[side].erase(id);
  else
    --begun_[side];
  if (handshake.state == State::Ready) ready_.erase(handshake.number);
  if (handshake.state == State::AtPeer) at_peer_[side].erase({handshake.at_peer_since, id});
  handshakes_.erase(which);
}

}  // namespace mesh::net
