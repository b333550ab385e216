#include "base/persistent_tree.h"

#include <algorithm>
#include <optional>

#include "base/check.h"

namespace mesh::persistent_detail {
namespace {

struct Inner : Node {
  std::array<NodeRef, kNodeItemsMax + 2> children;  // count + 1 of them
  explicit Inner(DestroyItem destroy) : Node(false, destroy) {}
};

NodeRef& child(const Node& node, std::size_t at) {
  return const_cast<Inner&>(static_cast<const Inner&>(node)).children[at];
}

void drop_item(Item* item, DestroyItem destroy) {
  if (item->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(item);
}

NodeRef make(bool leaf, DestroyItem destroy) {
  return NodeRef(leaf ? new Node(true, destroy) : new Inner(destroy));
}

NodeRef copy(const Node& node) {
  NodeRef fresh = make(node.leaf, node.destroy_item);
  fresh->count = node.count;
  for (std::size_t i = 0; i < node.count; ++i) {
    node.items[i]->refs.fetch_add(1, std::memory_order_relaxed);
    fresh->items[i] = node.items[i];
  }
  for (std::size_t i = 0; !node.leaf && i <= node.count; ++i) child(*fresh, i) = child(node, i);
  return fresh;
}

// Makes `ref` the sole owner of its node, by copying the node if another version uses it too. REQUIRES that the node which
// holds `ref` is owned already: then no other thread can reach a node whose count is one.
Node& own(NodeRef& ref) {
  if (!ref.sole_owner()) ref = copy(*ref);
  return *ref;
}

// Makes room for one entry at `at`, to be filled by the caller, and, in an inner node, for one child right of it.
void open_gap(Node& node, std::size_t at) {
  for (std::size_t i = node.count; i > at; --i) node.items[i] = node.items[i - 1];
  for (std::size_t i = node.count + 1u; !node.leaf && i > at + 1; --i) child(node, i) = std::move(child(node, i - 1));
  ++node.count;
}

// Hands out the entry at `at` with its count and, in an inner node, drops the child right of it.
Item* close_gap(Node& node, std::size_t at) {
  Item* out = node.items[at];
  for (std::size_t i = at; i + 1 < node.count; ++i) node.items[i] = node.items[i + 1];
  for (std::size_t i = at + 1; !node.leaf && i < node.count; ++i) child(node, i) = std::move(child(node, i + 1));
  if (!node.leaf) child(node, node.count) = NodeRef();
  --node.count;
  return out;
}

// REQUIRES parent and child owned, child overfull. At the right edge most entries stay left: keys that arrive in order
// fill only the right one further.
void split_child(Node& parent, std::size_t at) {
  Node& left = *child(parent, at);
  NodeRef right = make(left.leaf, left.destroy_item);
  const std::size_t middle = at == parent.count ? left.count - kNodeItemsMin - 1 : left.count / 2u;
  right->count = static_cast<std::uint16_t>(left.count - middle - 1);
  for (std::size_t i = 0; i < right->count; ++i) right->items[i] = left.items[middle + 1 + i];
  for (std::size_t i = 0; !left.leaf && i <= right->count; ++i) {
    child(*right, i) = std::move(child(left, middle + 1 + i));
  }
  left.count = static_cast<std::uint16_t>(middle);
  open_gap(parent, at);
  parent.items[at] = left.items[middle];
  child(parent, at + 1) = std::move(right);
}

NodeRef grown(NodeRef root) {
  NodeRef parent = make(false, root->destroy_item);
  child(*parent, 0) = std::move(root);
  split_child(*parent, 0);
  return parent;
}

bool put(Node& node, const Search& search, Item* item) {
  const Place place = search.locate(node, search.key);
  if (place.found) {
    drop_item(std::exchange(node.items[place.at], item), node.destroy_item);
    return false;
  }
  if (node.leaf) {
    open_gap(node, place.at);
    node.items[place.at] = item;
    return true;
  }
  const bool fresh = put(own(child(node, place.at)), search, item);
  if (child(node, place.at)->count > kNodeItemsMax) split_child(node, place.at);
  return fresh;
}

void rotate_right(Node& parent, std::size_t at) {
  Node& left = own(child(parent, at - 1));
  Node& node = own(child(parent, at));
  open_gap(node, 0);
  if (!node.leaf) {
    child(node, 1) = std::move(child(node, 0));
    child(node, 0) = std::move(child(left, left.count));
  }
  node.items[0] = parent.items[at - 1];
  parent.items[at - 1] = left.items[left.count - 1u];
  --left.count;
}

void rotate_left(Node& parent, std::size_t at) {
  Node& node = own(child(parent, at));
  Node& right = own(child(parent, at + 1));
  node.items[node.count] = parent.items[at];
  ++node.count;
  if (!node.leaf) {
    child(node, node.count) = std::move(child(right, 0));
    child(right, 0) = std::move(child(right, 1));
  }
  parent.items[at] = close_gap(right, 0);
}

// Child `at`, the entry between, and child `at + 1` become child `at`.
void merge(Node& parent, std::size_t at) {
  Node& left = own(child(parent, at));
  Node& right = own(child(parent, at + 1));
  const std::size_t base = left.count + 1u;
  for (std::size_t i = 0; i < right.count; ++i) left.items[base + i] = right.items[i];
  for (std::size_t i = 0; !left.leaf && i <= right.count; ++i) child(left, base + i) = std::move(child(right, i));
  left.count = static_cast<std::uint16_t>(base + right.count);
  right.count = 0;
  left.items[base - 1] = close_gap(parent, at);
}

// Brings the child at `at` back to kNodeItemsMin entries: by one entry of a sibling that can spare it, else by a merge.
void refill(Node& parent, std::size_t at) {
  if (child(parent, at)->count >= kNodeItemsMin) return;
  if (at > 0 && child(parent, at - 1)->count > kNodeItemsMin) {
    rotate_right(parent, at);
  } else if (at < parent.count && child(parent, at + 1)->count > kNodeItemsMin) {
    rotate_left(parent, at);
  } else {
    merge(parent, at > 0 ? at - 1 : at);
  }
}

Item* take_last(Node& node) {
  if (node.leaf) return close_gap(node, node.count - 1u);
  const std::size_t last = node.count;
  Item* out = take_last(own(child(node, last)));
  refill(node, last);
  return out;
}

// REQUIRES the key is below `node`.
void remove(Node& node, const Search& search) {
  const Place place = search.locate(node, search.key);
  if (node.leaf) {
    drop_item(close_gap(node, place.at), node.destroy_item);
    return;
  }
  Node& below = own(child(node, place.at));
  if (place.found) {
    drop_item(std::exchange(node.items[place.at], take_last(below)), node.destroy_item);
  } else {
    remove(below, search);
  }
  refill(node, place.at);
}

struct Shape {
  std::size_t height;
  std::size_t items;
};

Shape check_node(const Node& node, bool root) {
  CHECK(node.count <= kNodeItemsMax && node.count >= (root ? 1 : kNodeItemsMin), "node of {} entries", node.count);
  if (node.leaf) return {1, node.count};
  std::optional<std::size_t> height;
  std::size_t items = node.count;
  for (std::size_t i = 0; i <= node.count; ++i) {
    const Shape below = check_node(*child(node, i), false);
    CHECK(!height || *height == below.height, "leaves at different depths");
    height = below.height;
    items += below.items;
  }
  return {*height + 1, items};
}

}  // namespace

NodeRef::NodeRef(const NodeRef& other) : target_(other.target_) {
  if (target_ != nullptr) target_->refs.fetch_add(1, std::memory_order_relaxed);
}

bool NodeRef::sole_owner() const { return target_->refs.load(std::memory_order_acquire) == 1; }

void NodeRef::drop(Node* node) {
  if (node->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  for (std::size_t i = 0; i < node->count; ++i) drop_item(node->items[i], node->destroy_item);
  if (node->leaf) {
    delete node;
  } else {
    delete static_cast<Inner*>(node);
  }
}

void Cursor::push(const Node* node, std::size_t at) {
  CHECK(depth_ < kTreeDepthMax, "persistent map deeper than {}", kTreeDepthMax);
  steps_[depth_++] = Step{node, at};
}

void Cursor::descend_first(const Node* node) {
  for (; node != nullptr; node = node->leaf ? nullptr : child(*node, 0).get()) push(node, 0);
}

// Leaves finished nodes until one has a next entry.
void Cursor::settle() {
  while (depth_ > 0 && top().at >= top().node->count) --depth_;
}

void Cursor::advance() {
  Step& step = steps_[depth_ - 1];
  ++step.at;
  if (!step.node->leaf) descend_first(child(*step.node, step.at).get());
  settle();
}

Tree::Tree() = default;
Tree::Tree(const Tree& other) = default;
Tree::Tree(Tree&& other) noexcept = default;
Tree& Tree::operator=(const Tree& other) = default;
Tree& Tree::operator=(Tree&& other) noexcept = default;
Tree::~Tree() = default;

const Item* Tree::find(const Search& search) const {
  const Node* node = root_.get();
  while (node != nullptr) {
    const Place place = search.locate(*node, search.key);
    if (place.found) return node->items[place.at];
    node = node->leaf ? nullptr : child(*node, place.at).get();
  }
  return nullptr;
}

Cursor Tree::begin() const {
  Cursor cursor;
  cursor.descend_first(root_.get());
  cursor.settle();
  return cursor;
}

Cursor Tree::lower_bound(const Search& search) const {
  Cursor cursor;
  const Node* node = root_.get();
  while (node != nullptr) {
    const Place place = search.locate(*node, search.key);
    cursor.push(node, place.at);
    if (place.found) return cursor;
    node = node->leaf ? nullptr : child(*node, place.at).get();
  }
  cursor.settle();
  return cursor;
}

bool Tree::set(const Search& search, Item* item, DestroyItem destroy) {
  if (!root_) root_ = make(true, destroy);
  const bool fresh = put(own(root_), search, item);
  if (root_->count > kNodeItemsMax) root_ = grown(std::move(root_));
  size_ += fresh ? 1 : 0;
  return fresh;
}

bool Tree::erase(const Search& search) {
  if (find(search) == nullptr) return false;
  remove(own(root_), search);
  --size_;
  if (root_->count == 0) root_ = root_->leaf ? NodeRef() : NodeRef(child(*root_, 0));
  return true;
}

void Tree::check_shape() const {
  const std::size_t seen = root_ ? check_node(*root_, true).items : 0;
  CHECK(seen == size_, "size {} but {} entries", size_, seen);
}

}  // namespace mesh::persistent_detail
