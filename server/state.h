// State: one version of everything that is replicated: the catalog, the key-value store, and the tables that
// only servers have. Made by rows alone (from commands, from the disk, from a snapshot), so equal rows are
// equal states.
//
// A version is a value: copies are O(1) and may be read by any thread. Times and limits:
// docs/formats/state.md.
#pragma once

#include <cstdint>
#include <optional>

#include "base/message.h"
#include "base/persistent_map.h"
#include "base/result.h"
#include "base/time.h"
#include "model/authority.h"
#include "model/catalog.h"
#include "model/command.h"
#include "model/member.h"
#include "model/row_table.h"
#include "model/token.h"
#include "server/kv_table.h"

namespace mesh::server {

// Newest results kept for retried commands; older ones are forgotten with the oldest index first.
inline constexpr std::size_t kRequestsKept = 32 * 1024;

// The result of a command with a request id.
#define MESH_REQUEST_RECORD_FIELDS(F)                                  \
  F(1, std::string, request_id, "RequestID", "of the command", kBytes) \
  F(2, model::CommandResult, result, "Result", "what it came to")
struct RequestRecord {
  MESH_MESSAGE(RequestRecord, MESH_REQUEST_RECORD_FIELDS)
};

// Command time so far.
#define MESH_CLOCK_FIELDS(F) F(1, WallTime, time, "Time", "never goes back")
struct Clock {
  MESH_MESSAGE(Clock, MESH_CLOCK_FIELDS)
};

class State {
 public:
  // One row of any table. Errors: Corrupt, or Unsupported (a table that this release does not know); the
  // state may be used no further then.
  [[nodiscard]] Status change(const model::RowChange& row, std::uint64_t index);
  // All rows so far came from a snapshot of `index`.
  void loaded_at(std::uint64_t index);

  [[nodiscard]] const model::Catalog& catalog() const { return catalog_; }
  [[nodiscard]] model::Catalog& catalog() { return catalog_; }
  [[nodiscard]] const KvTable& kv() const { return kv_; }
  [[nodiscard]] WallTime time() const;

  // Null if no such request is remembered (or the id is empty).
  [[nodiscard]] const RequestRecord* request(ByteView request_id) const;
  [[nodiscard]] std::size_t request_count() const { return requests_.size(); }
  [[nodiscard]] const Bytes* oldest_request_key() const;  // null: none

  // By server id (model::server_key).
  [[nodiscard]] const model::RowTable<model::Server>& servers() const { return catalog_.server_rows(); }

  // --- identity; null: there is none
  [[nodiscard]] const model::JoinToken* join_token(std::string_view id) const { return join_tokens_.find(id); }
  [[nodiscard]] std::shared_ptr<const model::JoinToken> share_join_token(std::string_view id) const {
    return join_tokens_.share(id);
  }
  [[nodiscard]] const model::RowTable<model::JoinToken>& join_tokens() const { return join_tokens_; }
  [[nodiscard]] const model::RowTable<model::ManagementToken>& management_tokens() const {
    return management_tokens_;
  }
  [[nodiscard]] const model::Member* member(std::string_view node_id) const { return members_.find(node_id); }
  [[nodiscard]] std::shared_ptr<const model::Member> share_member(std::string_view node_id) const {
    return members_.share(node_id);
  }
  [[nodiscard]] const model::RowTable<model::Member>& members() const { return members_; }
  // Who holds the name, in any case, among those that are not revoked.
  [[nodiscard]] const model::NodeId* member_named(std::string_view name) const;
  [[nodiscard]] const model::SealedKey* sealed_key(std::string_view root_id) const {
    return sealed_keys_.find(root_id);
  }
  [[nodiscard]] std::shared_ptr<const model::Leaf> leaf(ByteView key) const { return leaves_.share(key); }
  [[nodiscard]] std::size_t leaf_count() const { return leaves_.size(); }
  [[nodiscard]] const Bytes* oldest_leaf_key() const;  // the first to expire

  // Sum of row_hash over all rows.
  [[nodiscard]] std::uint64_t hash() const { return catalog_.hash() + kv_.hash() + own_hash_; }

 private:
  template <class T>
  Status change_in(model::RowTable<T>& table, const model::RowChange& row);
  Status change_request(const model::RowChange& row);
  Status change_member(const model::RowChange& row);

  model::Catalog catalog_;
  KvTable kv_;
  model::RowTable<RequestRecord> requests_;     // by index
  PersistentMap<Bytes, Bytes> requests_by_id_;  // request id -> key in requests_
  model::RowTable<Clock> clock_;
  model::RowTable<model::JoinToken> join_tokens_;
  model::RowTable<model::ManagementToken> management_tokens_;
  model::RowTable<model::SealedKey> sealed_keys_;
  model::RowTable<model::Member> members_;
  PersistentMap<std::string, model::NodeId> member_names_;  // folded, of those that are not revoked
  model::RowTable<model::Leaf> leaves_;
  std::uint64_t own_hash_ = 0;  // of the tables declared here
};

}  // namespace mesh::server
