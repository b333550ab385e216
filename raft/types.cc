#include "raft/types.h"

#include <algorithm>

namespace mesh::raft {

MESH_ENUM_TABLE(EntryKind, MESH_ENTRY_KINDS)
MESH_MESSAGE_TABLE(Entry, MESH_ENTRY_FIELDS)
MESH_MESSAGE_TABLE(LogPosition, MESH_LOG_POSITION_FIELDS)
MESH_MESSAGE_TABLE(Configuration, MESH_CONFIGURATION_FIELDS)
MESH_MESSAGE_TABLE(LogBase, MESH_LOG_BASE_FIELDS)

bool Configuration::is_voter(ServerId id) const { return std::binary_search(voters.begin(), voters.end(), id); }
bool Configuration::is_learner(ServerId id) const { return std::binary_search(learners.begin(), learners.end(), id); }

}  // namespace mesh::raft
