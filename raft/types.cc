#include "raft/types.h"

#include <algorithm>

namespace mesh::raft {

std::string_view entry_kind_name(EntryKind kind) {
  switch (kind) {
    case EntryKind::Command: return "command";
    case EntryKind::Noop: return "noop";
    case EntryKind::Configuration: return "configuration";
  }
  return "unknown";
}

bool Configuration::is_voter(ServerId id) const { return std::binary_search(voters.begin(), voters.end(), id); }
bool Configuration::is_learner(ServerId id) const { return std::binary_search(learners.begin(), learners.end(), id); }

}  // namespace mesh::raft
