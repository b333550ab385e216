#include "gossip/rumor_queue.h"

#include <utility>
#include <vector>

#include "base/mutant.h"
#include "gossip/message.h"

namespace mesh::gossip {
namespace {

// A rumor that does not fit lets smaller ones pass; so many are tried for one packet.
constexpr std::size_t kMissesMax = 8;

}  // namespace

void RumorQueue::put(const Key& key, Bytes encoded) {
  if (const auto found = entries_.find(key); found != entries_.end()) erase(found);
  if (entries_.size() >= entries_max_) erase(entries_.find(by_urgency_.rbegin()->second));
  const Place place{0, next_newest_--};
  by_urgency_.emplace(place, key);
  entries_.emplace(key, Entry{place, std::move(encoded)});
}

void RumorQueue::erase(std::map<Key, Entry>::iterator entry) {
  by_urgency_.erase(entry->second.place);
  entries_.erase(entry);
}

void RumorQueue::supersede(const NodeId& about) {
  for (auto entry = entries_.lower_bound(Key{about, NodeId()}); entry != entries_.end() && entry->first.about == about;) {
    erase(entry++);
  }
}

std::size_t RumorQueue::fill(Bytes& packet, std::size_t bytes_max, std::uint32_t sends_max) {
  std::vector<Key> sent;
  std::size_t misses = 0;
  for (auto next = by_urgency_.begin(); next != by_urgency_.end() && misses < kMissesMax; ++next) {
    const Entry& entry = entries_.at(next->second);
    if (packet.size() + rumor_cost(entry.encoded.size()) > bytes_max) {
      ++misses;
      continue;
    }
    append_rumor(packet, entry.encoded);
    sent.push_back(next->second);
  }
  for (const Key& key : sent) {
    const auto found = entries_.find(key);
    Entry& entry = found->second;
    by_urgency_.erase(entry.place);
    ++entry.place.sent;
    if (entry.place.sent >= sends_max && !MESH_MUTANT(GossipRumorsNeverEnd)) {
      entries_.erase(found);
    } else {
      by_urgency_.emplace(entry.place, key);
    }
  }
  return sent.size();
}

bool RumorQueue::holds(const NodeId& about) const {
  const auto found = entries_.lower_bound(Key{about, NodeId()});
  return found != entries_.end() && found->first.about == about;
}

std::uint32_t RumorQueue::sends_most() const { return by_urgency_.empty() ? 0 : by_urgency_.rbegin()->first.sent; }

}  // namespace mesh::gossip
