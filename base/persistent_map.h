// PersistentMap<K, V>: an ordered map whose copies are versions. Copying is O(1) and shares the whole tree;
// changing one version copies only the nodes on the path to the change that another version still uses, so
// publishing a new version of a large table costs what changed, not its size.
//
// Threads: a version that nobody changes may be read, copied and dropped by any number of threads at once;
// two threads may change two versions that share structure. One version has one writer at a time, and no
// readers then. (Counts are atomic; a node is changed in place only while this version is its sole owner.)
//
// Cost: an entry is one allocation {count, key, value}; a pointer to it costs 8 bytes at about 70 % fill (keys
// that arrive in order leave nodes three quarters full). The tree itself is in persistent_tree.h.
//
// Compare must be transparent if lookups use other types than K (std::less<> for std::string keys and
// string_view). Iterators are invalidated by any change of the version they came from and must not outlive
// it.
#pragma once

#include <cstddef>
#include <functional>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/persistent_tree.h"

namespace mesh {

template <class K, class V, class Compare = std::less<>>
class PersistentMap {
  struct Entry : persistent_detail::Item {
    std::pair<const K, V> pair;
    Entry(K key, V value) : pair(std::move(key), std::move(value)) {}
  };

 public:
  using value_type = std::pair<const K, V>;

  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = std::pair<const K, V>;
    using difference_type = std::ptrdiff_t;
    using pointer = const value_type*;
    using reference = const value_type&;

    Iterator() = default;
    reference operator*() const { return entry(cursor_.item()).pair; }
    pointer operator->() const { return &**this; }
    Iterator& operator++() {
      cursor_.advance();
      return *this;
    }
    Iterator operator++(int) {
      Iterator before = *this;
      cursor_.advance();
      return before;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    friend class PersistentMap;
    explicit Iterator(const persistent_detail::Cursor& cursor) : cursor_(cursor) {}
    persistent_detail::Cursor cursor_;
  };
  using const_iterator = Iterator;

  [[nodiscard]] std::size_t size() const { return tree_.size(); }
  [[nodiscard]] bool empty() const { return tree_.size() == 0; }

  // The value at `key`, or null; valid until this version changes or is dropped.
  template <class Q>
  [[nodiscard]] const V* find(const Q& key) const {
    const persistent_detail::Item* item = tree_.find(search(key));
    return item == nullptr ? nullptr : &entry(*item).pair.second;
  }
  template <class Q>
  [[nodiscard]] bool contains(const Q& key) const {
    return tree_.find(search(key)) != nullptr;
  }

  [[nodiscard]] Iterator begin() const { return Iterator(tree_.begin()); }
  [[nodiscard]] Iterator end() const { return {}; }

  // The first entry whose key is not less than `key`.
  template <class Q>
  [[nodiscard]] Iterator lower_bound(const Q& key) const {
    return Iterator(tree_.lower_bound(search(key)));
  }

  // Inserts or replaces. True if the key is new.
  bool set(K key, V value) {
    auto* fresh = new Entry(std::move(key), std::move(value));
    return tree_.set(search(fresh->pair.first), fresh, &destroy);
  }

  // True if the key was there.
  template <class Q>
  bool erase(const Q& key) {
    return tree_.erase(search(key));
  }

  void clear() { tree_ = {}; }

  // True if both are the same version of the same map: a cheap, sufficient test of equality.
  [[nodiscard]] bool same_version(const PersistentMap& other) const { return tree_.root() == other.tree_.root(); }

  // CHECKs order, fill and depth of the whole tree. Linear: for tests.
  void check_shape() const {
    const K* previous = nullptr;
    for (const auto& [key, value] : *this) {
      CHECK(previous == nullptr || Compare{}(*previous, key), "keys out of order");
      previous = &key;
    }
    tree_.check_shape();
  }

 private:
  static const Entry& entry(const persistent_detail::Item& item) { return static_cast<const Entry&>(item); }
  static void destroy(persistent_detail::Item* item) { delete static_cast<Entry*>(item); }

  template <class Q>
  static persistent_detail::Search search(const Q& key) {
    return {&locate<Q>, &key};
  }

  template <class Q>
  static persistent_detail::Place locate(const persistent_detail::Node& node, const void* key_address) {
    const Q& key = *static_cast<const Q*>(key_address);
    std::size_t low = 0, high = node.count;
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      if (Compare{}(entry(*node.items[middle]).pair.first, key)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return {low, low < node.count && !Compare{}(key, entry(*node.items[low]).pair.first)};
  }

  persistent_detail::Tree tree_;
};

}  // namespace mesh
