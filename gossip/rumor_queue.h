// Rumors that still have to be spread: fewest sent first, of those the newest (so news overtakes a backlog). Each is
// sent a bounded number of times; what a newer statement about the same member supersedes is dropped.
//
// Key: the member and the accuser, since several accusers of one member are several rumors. Bound: entries_max; beyond
// it the one sent most often goes.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>

#include "base/bytes.h"
#include "gossip/types.h"

namespace mesh::gossip {

class RumorQueue {
 public:
  explicit RumorQueue(std::size_t entries_max) : entries_max_(entries_max) {}

  struct Key {
    NodeId about;
    NodeId accuser;  // nil for alive and left
    friend auto operator<=>(const Key&, const Key&) = default;
  };

  // In place of an earlier one of the same key. `encoded` is a Rumor.
  void put(const Key& key, Bytes encoded);
  // Drops everything about the member.
  void supersede(const NodeId& about);

  // Appends rumors to an encoded packet while it stays within `bytes_max`; each counts as sent once more, and one that
  // was sent `sends_max` times is done. Returns how many were appended.
  std::size_t fill(Bytes& packet, std::size_t bytes_max, std::uint32_t sends_max);

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] bool holds(const NodeId& about) const;
  // The most that any rumor here has been sent.
  [[nodiscard]] std::uint32_t sends_most() const;

 private:
  struct Place {
    std::uint32_t sent = 0;
    std::uint64_t newest = 0;  // falls with each put
    friend auto operator<=>(const Place&, const Place&) = default;
  };
  struct Entry {
    Place place;
    Bytes encoded;
  };
  void erase(std::map<Key, Entry>::iterator entry);

  std::size_t entries_max_;
  std::map<Key, Entry> entries_;
  std::map<Place, Key> by_urgency_;
  std::uint64_t next_newest_ = UINT64_MAX;
};

}  // namespace mesh::gossip
