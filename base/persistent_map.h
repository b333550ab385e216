// PersistentMap<K, V>: an ordered map whose copies are versions. Copying is O(1) and shares the whole tree;
// changing one version copies only the nodes on the path to the change that another version still uses, so
// publishing a new version of a large table costs what changed, not its size.
//
// Threads: a version that nobody changes may be read, copied and dropped by any number of threads at once;
// two threads may change two versions that share structure. One version has one writer at a time, and no
// readers then. (Counts are atomic; a node is changed in place only while this version is its sole owner.)
//
// Shape: a B-tree (Bayer and McCreight 1972) of pointers to immutable entries, kMin..kMax entries a node,
// entries also in inner nodes. An entry is one allocation {count, key, value}; a pointer to it costs 8 bytes
// at about 70 % fill (keys that arrive in order leave nodes three quarters full). Copying a node copies
// pointers and counts, never keys or values.
//
// Compare must be transparent if lookups use other types than K (std::less<> for std::string keys and
// string_view). Iterators are invalidated by any change of the version they came from and must not outlive
// it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <optional>
#include <utility>

#include "base/check.h"

namespace mesh {

namespace persistent_detail {

// Counted pointer; the counter lies in the object as `refs`, which T's `drop(T*)` overload deletes at zero.
template <class T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* fresh) : target_(fresh) {}  // takes over the one count a fresh object starts with
  Ref(const Ref& other) : target_(other.target_) {
    if (target_ != nullptr) target_->refs.fetch_add(1, std::memory_order_relaxed);
  }
  Ref(Ref&& other) noexcept : target_(std::exchange(other.target_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(target_, other.target_);
    return *this;
  }
  ~Ref() {
    if (target_ != nullptr && target_->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) T::destroy(target_);
  }

  [[nodiscard]] T* get() const { return target_; }
  T* operator->() const { return target_; }
  T& operator*() const { return *target_; }
  explicit operator bool() const { return target_ != nullptr; }
  [[nodiscard]] bool sole_owner() const { return target_->refs.load(std::memory_order_acquire) == 1; }

 private:
  T* target_ = nullptr;
};

}  // namespace persistent_detail

template <class K, class V, class Compare = std::less<>>
class PersistentMap {
  template <class T>
  using Ref = persistent_detail::Ref<T>;

  static constexpr std::size_t kMax = 32;
  static constexpr std::size_t kMin = kMax / 4;
  static constexpr std::size_t kDepthMax = 16;  // 8^15 entries: never reached

  struct Item {
    std::atomic<std::uint32_t> refs{1};
    std::pair<const K, V> pair;
    Item(K key, V value) : pair(std::move(key), std::move(value)) {}
    static void destroy(Item* item) { delete item; }
  };

  struct Node {
    std::atomic<std::uint32_t> refs{1};
    std::uint16_t count = 0;
    const bool leaf;
    std::array<Ref<Item>, kMax + 1> items;  // one more than kMax: an overfull node exists until it is split

    explicit Node(bool is_leaf) : leaf(is_leaf) {}
    static void destroy(Node* node);
  };

  struct Inner : Node {
    std::array<Ref<Node>, kMax + 2> children;  // count + 1 of them
    Inner() : Node(false) {}
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
    reference operator*() const { return top().node->items[top().at]->pair; }
    pointer operator->() const { return &**this; }
    Iterator& operator++() {
      advance();
      return *this;
    }
    Iterator operator++(int) {
      Iterator before = *this;
      advance();
      return before;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) {
      if (a.depth_ != b.depth_) return false;
      return a.depth_ == 0 || (a.top().node == b.top().node && a.top().at == b.top().at);
    }

   private:
    friend class PersistentMap;
    struct Step {
      const Node* node = nullptr;
      std::size_t at = 0;  // the entry that comes next in this node
    };
    [[nodiscard]] const Step& top() const { return steps_[depth_ - 1]; }
    void push(const Node* node, std::size_t at) {
      CHECK(depth_ < kDepthMax, "persistent map deeper than {}", kDepthMax);
      steps_[depth_++] = Step{node, at};
    }
    void descend_first(const Node* node) {
      for (; node != nullptr; node = node->leaf ? nullptr : child(*node, 0).get()) push(node, 0);
    }
    // Leaves finished nodes until one has a next entry; the end has depth 0.
    void settle() {
      while (depth_ > 0 && top().at >= top().node->count) --depth_;
    }
    void advance() {
      Step& step = steps_[depth_ - 1];
      ++step.at;
      if (!step.node->leaf) descend_first(child(*step.node, step.at).get());
      settle();
    }

    std::array<Step, kDepthMax> steps_{};
    std::size_t depth_ = 0;
  };
  using const_iterator = Iterator;

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  // The value at `key`, or null; valid until this version changes or is dropped.
  template <class Q>
  [[nodiscard]] const V* find(const Q& key) const {
    const Node* node = root_.get();
    while (node != nullptr) {
      const Place place = locate(*node, key);
      if (place.found) return &node->items[place.at]->pair.second;
      node = node->leaf ? nullptr : child(*node, place.at).get();
    }
    return nullptr;
  }
  template <class Q>
  [[nodiscard]] bool contains(const Q& key) const {
    return find(key) != nullptr;
  }

  [[nodiscard]] Iterator begin() const {
    Iterator it;
    it.descend_first(root_.get());
    it.settle();
    return it;
  }
  [[nodiscard]] Iterator end() const { return {}; }

  // The first entry whose key is not less than `key`.
  template <class Q>
  [[nodiscard]] Iterator lower_bound(const Q& key) const {
    Iterator it;
    const Node* node = root_.get();
    while (node != nullptr) {
      const Place place = locate(*node, key);
      it.push(node, place.at);
      if (place.found) return it;
      node = node->leaf ? nullptr : child(*node, place.at).get();
    }
    it.settle();
    return it;
  }

  // Inserts or replaces. True if the key is new.
  bool set(K key, V value) {
    if (!root_) root_ = Ref<Node>(new Node(true));
    Ref<Item> item(new Item(std::move(key), std::move(value)));
    const bool fresh = put(own(root_), std::move(item));
    if (root_->count > kMax) grow_root();
    size_ += fresh ? 1 : 0;
    return fresh;
  }

  // True if the key was there.
  template <class Q>
  bool erase(const Q& key) {
    if (!contains(key)) return false;
    remove(own(root_), key);
    --size_;
    if (root_->count == 0) root_ = root_->leaf ? Ref<Node>() : Ref<Node>(child(*root_, 0));
    return true;
  }

  void clear() { *this = PersistentMap(); }

  // True if both are the same version of the same map: a cheap, sufficient test of equality.
  [[nodiscard]] bool same_version(const PersistentMap& other) const {
    return root_.get() == other.root_.get();
  }

  // CHECKs order, fill and depth of the whole tree. Linear: for tests.
  void check_shape() const {
    std::size_t seen = 0;
    const K* previous = nullptr;
    for (const auto& [key, value] : *this) {
      CHECK(previous == nullptr || Compare{}(*previous, key), "keys out of order");
      previous = &key;
      ++seen;
    }
    CHECK(seen == size_, "size {} but {} entries", size_, seen);
    if (root_) (void)check_node(*root_, true);
  }

 private:
  struct Place {
    std::size_t at;
    bool found;
  };

  static Ref<Node>& child(const Node& node, std::size_t at) {
    return const_cast<Inner&>(static_cast<const Inner&>(node)).children[at];
  }

  template <class Q>
  static Place locate(const Node& node, const Q& key) {
    std::size_t low = 0, high = node.count;
    while (low < high) {
      const std::size_t middle = (low + high) / 2;
      if (Compare{}(node.items[middle]->pair.first, key)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return {low, low < node.count && !Compare{}(key, node.items[low]->pair.first)};
  }

  // Makes `ref` the sole owner of its node, by copying the node if another version uses it too. REQUIRES that
  // the node which holds `ref` is owned already: then no other thread can reach a node whose count is one.
  static Node& own(Ref<Node>& ref) {
    if (!ref.sole_owner()) ref = copy(*ref);
    return *ref;
  }

  static Ref<Node> copy(const Node& node) {
    Ref<Node> fresh = make(node.leaf);
    fresh->count = node.count;
    for (std::size_t i = 0; i < node.count; ++i) fresh->items[i] = node.items[i];
    for (std::size_t i = 0; !node.leaf && i <= node.count; ++i) child(*fresh, i) = child(node, i);
    return fresh;
  }

  static Ref<Node> make(bool leaf) { return Ref<Node>(leaf ? new Node(true) : new Inner()); }

  static bool put(Node& node, Ref<Item> item) {
    const Place place = locate(node, item->pair.first);
    if (place.found) {
      node.items[place.at] = std::move(item);
      return false;
    }
    if (node.leaf) {
      open_gap(node, place.at);
      node.items[place.at] = std::move(item);
      return true;
    }
    const bool fresh = put(own(child(node, place.at)), std::move(item));
    if (child(node, place.at)->count > kMax) split_child(node, place.at);
    return fresh;
  }

  // Makes room for one entry at `at` and, in an inner node, for one child right of it.
  static void open_gap(Node& node, std::size_t at) {
    for (std::size_t i = node.count; i > at; --i) node.items[i] = std::move(node.items[i - 1]);
    for (std::size_t i = node.count + 1u; !node.leaf && i > at + 1; --i) {
      child(node, i) = std::move(child(node, i - 1));
    }
    ++node.count;
  }

  // Takes the entry at `at` out and, in an inner node, drops the child right of it.
  static Ref<Item> close_gap(Node& node, std::size_t at) {
    Ref<Item> out = std::move(node.items[at]);
    for (std::size_t i = at; i + 1 < node.count; ++i) node.items[i] = std::move(node.items[i + 1]);
    for (std::size_t i = at + 1; !node.leaf && i < node.count; ++i)
      child(node, i) = std::move(child(node, i + 1));
    if (!node.leaf) child(node, node.count) = Ref<Node>();
    --node.count;
    return out;
  }

  // REQUIRES parent and child owned, child overfull. At the right edge most entries stay left: keys that
  // arrive in order fill only the right one further.
  static void split_child(Node& parent, std::size_t at) {
    Node& left = *child(parent, at);
    Ref<Node> right = make(left.leaf);
    const std::size_t middle = at == parent.count ? left.count - kMin - 1 : left.count / 2u;
    right->count = static_cast<std::uint16_t>(left.count - middle - 1);
    for (std::size_t i = 0; i < right->count; ++i) right->items[i] = std::move(left.items[middle + 1 + i]);
    for (std::size_t i = 0; !left.leaf && i <= right->count; ++i) {
      child(*right, i) = std::move(child(left, middle + 1 + i));
    }
    left.count = static_cast<std::uint16_t>(middle);
    open_gap(parent, at);
    parent.items[at] = std::move(left.items[middle]);
    child(parent, at + 1) = std::move(right);
  }

  void grow_root() {
    Ref<Node> parent = make(false);
    child(*parent, 0) = std::move(root_);
    split_child(*parent, 0);
    root_ = std::move(parent);
  }

  // REQUIRES the key is below `node`.
  template <class Q>
  static void remove(Node& node, const Q& key) {
    const Place place = locate(node, key);
    if (node.leaf) {
      (void)close_gap(node, place.at);
      return;
    }
    Node& below = own(child(node, place.at));
    if (place.found) {
      node.items[place.at] = take_last(below);
    } else {
      remove(below, key);
    }
    refill(node, place.at);
  }

  static Ref<Item> take_last(Node& node) {
    if (node.leaf) return close_gap(node, node.count - 1u);
    const std::size_t last = node.count;
    Ref<Item> out = take_last(own(child(node, last)));
    refill(node, last);
    return out;
  }

  // Brings the child at `at` back to kMin entries: by one entry of a sibling that can spare it, else by a
  // merge.
  static void refill(Node& parent, std::size_t at) {
    if (child(parent, at)->count >= kMin) return;
    if (at > 0 && child(parent, at - 1)->count > kMin) {
      rotate_right(parent, at);
    } else if (at < parent.count && child(parent, at + 1)->count > kMin) {
      rotate_left(parent, at);
    } else {
      merge(parent, at > 0 ? at - 1 : at);
    }
  }

  static void rotate_right(Node& parent, std::size_t at) {
    Node& left = own(child(parent, at - 1));
    Node& node = own(child(parent, at));
    open_gap(node, 0);
    if (!node.leaf) {
      child(node, 1) = std::move(child(node, 0));
      child(node, 0) = std::move(child(left, left.count));
    }
    node.items[0] = std::move(parent.items[at - 1]);
    parent.items[at - 1] = std::move(left.items[left.count - 1u]);
    --left.count;
  }

  static void rotate_left(Node& parent, std::size_t at) {
    Node& node = own(child(parent, at));
    Node& right = own(child(parent, at + 1));
    node.items[node.count] = std::move(parent.items[at]);
    ++node.count;
    if (!node.leaf) {
      child(node, node.count) = std::move(child(right, 0));
      child(right, 0) = std::move(child(right, 1));
    }
    parent.items[at] = close_gap(right, 0);
  }

  // Child `at`, the entry between, and child `at + 1` become child `at`.
  static void merge(Node& parent, std::size_t at) {
    Node& left = own(child(parent, at));
    Node& right = own(child(parent, at + 1));
    const std::size_t base = left.count + 1u;
    for (std::size_t i = 0; i < right.count; ++i) left.items[base + i] = std::move(right.items[i]);
    for (std::size_t i = 0; !left.leaf && i <= right.count; ++i)
      child(left, base + i) = std::move(child(right, i));
    left.count = static_cast<std::uint16_t>(base + right.count);
    right.count = 0;
    left.items[base - 1] = close_gap(parent, at);
  }

  // The height of the subtree.
  static std::size_t check_node(const Node& node, bool root) {
    CHECK(node.count <= kMax && (root ? node.count >= 1 : node.count >= kMin), "node of {} entries",
          node.count);
    if (node.leaf) return 1;
    std::optional<std::size_t> height;
    for (std::size_t i = 0; i <= node.count; ++i) {
      const std::size_t below = check_node(*child(node, i), false);
      CHECK(!height || *height == below, "leaves at different depths");
      height = below;
    }
    return *height + 1;
  }

  Ref<Node> root_;
  std::size_t size_ = 0;
};

template <class K, class V, class Compare>
void PersistentMap<K, V, Compare>::Node::destroy(Node* node) {
  if (node->leaf) {
    delete node;
  } else {
    delete static_cast<Inner*>(node);
  }
}

}  // namespace mesh
