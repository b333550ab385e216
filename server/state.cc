#include "server/state.h"

#include "model/names.h"

namespace mesh::server {

MESH_MESSAGE_TABLE(RequestRecord, MESH_REQUEST_RECORD_FIELDS)
MESH_MESSAGE_TABLE(Clock, MESH_CLOCK_FIELDS)

namespace {

// The key that a row of this value has to have.
Bytes key_of(const Clock&) { return {}; }
Bytes key_of(const model::JoinToken& token) { return token.id; }
Bytes key_of(const model::ManagementToken& token) { return token.id; }
Bytes key_of(const model::SealedKey& key) { return key.root_id; }
Bytes key_of(const model::Member& member) { return member.node_id.text(); }
Bytes key_of(const model::Leaf& leaf) { return model::leaf_key(leaf.not_after, leaf.serial); }

template <class T>
Result<typename model::RowTable<T>::Row> read_row(const model::RowChange& row) {
  MESH_TRY(read, model::RowTable<T>::prepare(row).context("while reading a row of {}", T::table().name));
  if (read.value == nullptr || key_of(*read.value) == row.key) return read;
  return error(Code::Corrupt, "a row of {} does not belong to its key", T::table().name);
}

}  // namespace

Status State::change(const model::RowChange& row, std::uint64_t index) {
  if (row.table_id <= model::kTableCatalogKnown) return catalog_.change(row, index);
  switch (row.table_id.value()) {
    case model::kTableKv.value():
      return kv_.change(row, index);
    case model::kTableRequests.value():
      return change_request(row);
    case model::kTableClock.value():
      return change_in(clock_, row);
    case model::kTableJoinTokens.value():
      return change_in(join_tokens_, row);
    case model::kTableManagementTokens.value():
      return change_in(management_tokens_, row);
    case model::kTableSealedKeys.value():
      return change_in(sealed_keys_, row);
    case model::kTableMembers.value():
      return change_member(row);
    case model::kTableLeaves.value():
      return change_in(leaves_, row);
    default:
      return error(Code::Unsupported, "table {} is of a later release", row.table_id.value());
  }
}

template <class T>
Status State::change_in(model::RowTable<T>& table, const model::RowChange& row) {
  MESH_TRY(prepared, read_row<T>(row));
  const auto change = table.put(row.key, std::move(prepared));
  if (!change.same) own_hash_ += change.hash_added;
  return {};
}

Status State::change_request(const model::RowChange& row) {
  MESH_TRY(prepared, model::RowTable<RequestRecord>::prepare(row).context("while reading a request record"));
  const auto change = requests_.put(row.key, std::move(prepared));
  if (change.same) return {};
  own_hash_ += change.hash_added;
  if (change.before) requests_by_id_.erase(change.before->request_id);
  if (change.after) requests_by_id_.set(change.after->request_id, row.key);
  return {};
}

Status State::change_member(const model::RowChange& row) {
  MESH_TRY(prepared, read_row<model::Member>(row));
  const auto change = members_.put(row.key, std::move(prepared));
  if (change.same) return {};
  own_hash_ += change.hash_added;
  if (change.before && !change.before->revoked_at) {
    const std::string name = model::fold_name(change.before->name);
    const model::NodeId* holder = member_names_.find(name);
    if (holder != nullptr && *holder == change.before->node_id) member_names_.erase(name);
  }
  if (change.after && !change.after->revoked_at) {
    member_names_.set(model::fold_name(change.after->name), change.after->node_id);
  }
  return {};
}

const model::NodeId* State::member_named(std::string_view name) const {
  return member_names_.find(model::fold_name(name));
}

const Bytes* State::oldest_leaf_key() const {
  return leaves_.size() == 0 ? nullptr : &leaves_.rows().begin()->first;
}

void State::loaded_at(std::uint64_t index) {
  catalog_.loaded_at(index);
  kv_.loaded_at(index);
}

WallTime State::time() const {
  const Clock* clock = clock_.find({});
  return clock == nullptr ? WallTime() : clock->time;
}

const RequestRecord* State::request(ByteView request_id) const {
  const Bytes* key = requests_by_id_.find(request_id);
  return key == nullptr ? nullptr : requests_.find(*key);
}

const Bytes* State::oldest_request_key() const {
  return requests_.size() == 0 ? nullptr : &requests_.rows().begin()->first;
}

}  // namespace mesh::server
