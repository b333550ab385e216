// Identifiers that are keys of rows. Plain values; any thread.
#pragma once

#include <compare>
#include <string>

#include "base/strong_text.h"

namespace mesh::model {

struct NodeIdTag;
// The UUID of a node, bound to its key for life; name and address are attributes that may change.
using NodeId = StrongText<NodeIdTag>;

// One instance of a service: its id is unique on its node only.
struct InstanceKey {
  NodeId node_id;
  std::string id;

  friend auto operator<=>(const InstanceKey&, const InstanceKey&) = default;
};

// One check: its id is unique on its node only.
struct CheckKey {
  NodeId node_id;
  std::string check_id;

  friend auto operator<=>(const CheckKey&, const CheckKey&) = default;
};

}  // namespace mesh::model
