// The B-tree under PersistentMap, without its types: entries are counted objects behind pointers, and what depends on
// keys comes in as functions. It is apart so that the tree is compiled once, not once for each map; nothing but
// persistent_map.h uses it, which says what a version is and what threads may do.
//
// Shape: Bayer and McCreight 1972, entries also in inner nodes. An entry is one allocation {count, key, value}. Copying
// a node copies pointers and counts, never keys or values.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace mesh::persistent_detail {

inline constexpr std::size_t kNodeItemsMax = 32;
inline constexpr std::size_t kNodeItemsMin = kNodeItemsMax / 4;
inline constexpr std::size_t kTreeDepthMax = 16;  // 8^15 entries: never reached

// The part of an entry that the tree knows. The map derives its entries from it.
struct Item {
  std::atomic<std::uint32_t> refs{1};
};
using DestroyItem = void (*)(Item*);

struct Node;

// A counted pointer to a node.
class NodeRef {
 public:
  NodeRef() = default;
  explicit NodeRef(Node* fresh) : target_(fresh) {}  // takes over the one count that a fresh node starts with
  NodeRef(const NodeRef& other);
  NodeRef(NodeRef&& other) noexcept : target_(std::exchange(other.target_, nullptr)) {}
  NodeRef& operator=(NodeRef other) noexcept {
    std::swap(target_, other.target_);
    return *this;
  }
  ~NodeRef() {
    if (target_ != nullptr) drop(target_);
  }

  [[nodiscard]] Node* get() const { return target_; }
  Node* operator->() const { return target_; }
  Node& operator*() const { return *target_; }
  explicit operator bool() const { return target_ != nullptr; }
  [[nodiscard]] bool sole_owner() const;

 private:
  static void drop(Node* node);
  Node* target_ = nullptr;
};

// Holds one count of each of its first `count` items. Changed in place only while one version is its sole owner.
struct Node {
  std::atomic<std::uint32_t> refs{1};
  std::uint16_t count = 0;
  const bool leaf;
  const DestroyItem destroy_item;
  std::array<Item*, kNodeItemsMax + 1> items;  // one more than the limit: an overfull node exists until it is split

  Node(bool is_leaf, DestroyItem destroy) : leaf(is_leaf), destroy_item(destroy) {}
};

struct Place {
  std::size_t at;  // of the first item that is not less than the key
  bool found;      // and whether it is equal
};
// A binary search in one node, by the map's order; `key` points to the key looked for.
using Locate = Place (*)(const Node& node, const void* key);
struct Search {
  Locate locate;
  const void* key;
};

// The path to an entry: what an iterator is made of. At the end its depth is 0.
class Cursor {
 public:
  [[nodiscard]] Item& item() const { return *top().node->items[top().at]; }
  void advance();
  friend bool operator==(const Cursor& a, const Cursor& b) {
    if (a.depth_ != b.depth_) return false;
    return a.depth_ == 0 || (a.top().node == b.top().node && a.top().at == b.top().at);
  }

 private:
  friend class Tree;
  struct Step {
    const Node* node = nullptr;
    std::size_t at = 0;  // the entry that comes next in this node
  };
  [[nodiscard]] const Step& top() const { return steps_[depth_ - 1]; }
  void push(const Node* node, std::size_t at);
  void descend_first(const Node* node);
  void settle();

  std::array<Step, kTreeDepthMax> steps_{};
  std::size_t depth_ = 0;
};

// One version. Copies share all nodes.
class Tree {
 public:
  Tree();
  Tree(const Tree& other);
  Tree(Tree&& other) noexcept;
  Tree& operator=(const Tree& other);
  Tree& operator=(Tree&& other) noexcept;
  ~Tree();

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const Node* root() const { return root_.get(); }
  [[nodiscard]] const Item* find(const Search& search) const;
  [[nodiscard]] Cursor begin() const;
  [[nodiscard]] Cursor lower_bound(const Search& search) const;

  // Takes over the one count of a fresh item, whose key is the one of the search, and replaces an equal one. True if there was none.
  bool set(const Search& search, Item* item, DestroyItem destroy);
  bool erase(const Search& search);  // true if it was there

  // CHECKs fill and depth of the whole tree and that it has size() entries. Linear: for tests.
  void check_shape() const;

 private:
  NodeRef root_;
  std::size_t size_ = 0;
};

}  // namespace mesh::persistent_detail
