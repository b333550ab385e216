// Whom to probe next: a random order in which every member comes once per round, so that the time until a dead one is
// probed is bounded (SWIM section 4.3). A new member takes a random place in what is left of the round. Also the set
// from which members are drawn at random.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <vector>

#include "base/rng.h"
#include "gossip/types.h"

namespace mesh::gossip {

class ProbeOrder {
 public:
  void add(const NodeId& id, Rng& rng);  // REQUIRES !contains(id)
  void remove(const NodeId& id);         // nothing happens if it is not there
  [[nodiscard]] bool contains(const NodeId& id) const { return places_.contains(id); }
  [[nodiscard]] std::size_t size() const { return order_.size(); }

  [[nodiscard]] std::optional<NodeId> next(Rng& rng);  // none: empty
  // Up to `count` different ones, without `except`.
  [[nodiscard]] std::vector<NodeId> draw(std::size_t count, const NodeId& except, Rng& rng) const;

 private:
  void put(std::size_t place, const NodeId& id);

  std::vector<NodeId> order_;
  std::map<NodeId, std::size_t> places_;
  std::size_t next_ = 0;
};

}  // namespace mesh::gossip
