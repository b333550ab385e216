#include "gossip/probe_order.h"

#include <algorithm>
#include <span>

#include "base/check.h"

namespace mesh::gossip {

void ProbeOrder::put(std::size_t place, const NodeId& id) {
  order_[place] = id;
  places_[id] = place;
}

void ProbeOrder::add(const NodeId& id, Rng& rng) {
  CHECK(!contains(id), "{} is in the order already", id.to_string());
  order_.push_back(id);
  const std::size_t last = order_.size() - 1;
  const std::size_t place = static_cast<std::size_t>(rng.between(next_, last));
  put(last, order_[place]);
  put(place, id);
}

// The gap is filled without moving anyone from the done part of the round to the part to come or back.
void ProbeOrder::remove(const NodeId& id) {
  const auto found = places_.find(id);
  if (found == places_.end()) return;
  std::size_t gap = found->second;
  places_.erase(found);
  if (gap < next_) {
    --next_;
    if (gap != next_) put(gap, order_[next_]);
    gap = next_;
  }
  const NodeId last = order_.back();
  order_.pop_back();
  if (gap < order_.size()) put(gap, last);
}

std::optional<NodeId> ProbeOrder::next(Rng& rng) {
  if (order_.empty()) return std::nullopt;
  if (next_ >= order_.size()) {
    rng.shuffle(std::span(order_));
    for (std::size_t place = 0; place < order_.size(); ++place) places_[order_[place]] = place;
    next_ = 0;
  }
  return order_[next_++];
}

// Floyd's sampling: one draw for each, no retries.
std::vector<NodeId> ProbeOrder::draw(std::size_t count, const NodeId& except, Rng& rng) const {
  const auto excepted = places_.find(except);
  const bool skip = excepted != places_.end();
  const std::size_t size = order_.size() - (skip ? 1 : 0);
  std::vector<std::size_t> chosen;
  for (std::size_t i = size - std::min(size, count); i < size; ++i) {
    const auto drawn = static_cast<std::size_t>(rng.below(i + 1));
    const bool taken = std::find(chosen.begin(), chosen.end(), drawn) != chosen.end();
    chosen.push_back(taken ? i : drawn);
  }
  std::vector<NodeId> out;
  for (const std::size_t place : chosen) out.push_back(order_[skip && place >= excepted->second ? place + 1 : place]);
  return out;
}

}  // namespace mesh::gossip
