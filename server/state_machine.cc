#include "server/state_machine.h"

#include <algorithm>

#include "base/check.h"
#include "server/apply.h"
#include "server/transaction.h"

namespace mesh::server {

namespace {

Result<Applied> dispatch(Transaction& tx, const model::Command& command) {
  switch (command.kind) {
    case model::CommandKind::Register:
      return apply(tx, *command.registration);
    case model::CommandKind::Deregister:
      return apply(tx, *command.deregistration);
    case model::CommandKind::CheckUpdate:
      return apply(tx, *command.check_update);
    case model::CommandKind::Kv:
      return apply(tx, *command.kv);
    case model::CommandKind::IntentionUpsert:
      return apply(tx, *command.intention_upsert);
    case model::CommandKind::IntentionDelete:
      return apply(tx, *command.intention_delete);
    case model::CommandKind::Init:
      return apply(tx, *command.init);
    case model::CommandKind::JoinTokenPut:
      return apply(tx, *command.join_token_put);
    case model::CommandKind::JoinTokenDelete:
      return apply(tx, *command.join_token_delete);
    case model::CommandKind::Admit:
      return apply(tx, *command.admit);
    case model::CommandKind::LeafIssued:
      return apply(tx, *command.leaf_issued);
    case model::CommandKind::MemberRevoke:
      return apply(tx, *command.member_revoke);
    case model::CommandKind::NodeHealth:
      return apply(tx, *command.node_health);
    case model::CommandKind::None:
      break;
  }
  CHECK(false, "decode_command let kind {} through", static_cast<int>(command.kind));
}

model::CommandResult result_of(const Result<Applied>& applied, std::uint64_t index) {
  model::CommandResult result;
  result.index = index;
  if (applied.ok()) {
    result.applied = applied->applied;
    result.id = applied->id;
  } else {
    result.code = static_cast<std::uint32_t>(applied.error().code);
    result.message = applied.error().message;
  }
  return result;
}

void put_clock(Transaction& tx) {
  if (tx.state().time() == tx.time()) return;
  Clock clock;
  clock.time = tx.time();
  tx.put(model::kTableClock, {}, encode(clock));
}

void remember(Transaction& tx, const model::Command& command, const model::CommandResult& result) {
  if (command.request_id.empty()) return;
  if (tx.state().request_count() >= kRequestsKept)
    tx.erase(model::kTableRequests, *tx.state().oldest_request_key());
  Bytes key;
  append_be64(key, tx.index());
  RequestRecord record;
  record.request_id = command.request_id;
  record.result = result;
  tx.put(model::kTableRequests, std::move(key), encode(record));
}

}  // namespace

raft::ApplyResult StateMachine::apply(raft::Index index, ByteView payload) {
  const Result<model::Command> command = model::decode_command(payload);
  CHECK(command.ok(), "entry {} holds a command that this release cannot apply: {}", index.value(),
        command.error().message);
  if (const RequestRecord* record = state_.request(command->request_id)) {
    Bytes result = encode(record->result);
    state_.catalog().advance(index.value());
    return {std::move(result), {}};
  }

  const Transaction::Origin origin{index.value(), std::max(state_.time(), command->time), command->random};
  Transaction attempt(state_, origin);
  const Result<Applied> applied = dispatch(attempt, *command);
  Transaction tx = applied.ok() ? std::move(attempt) : Transaction(state_, origin);
  const model::CommandResult result = result_of(applied, index.value());
  put_clock(tx);
  remember(tx, *command, result);

  Transaction::Outcome outcome = std::move(tx).finish();
  state_ = std::move(outcome.state);
  if (observer_ != nullptr) observer_->on_changes(outcome.changes, state_);
  raft::ApplyResult out{encode(result), {}};
  for (model::RowChange& row : outcome.changes.rows) {
    out.rows.push_back({row.table_id.value(), std::move(row.key), std::move(row.value)});
  }
  return out;
}

Status status_of(const Result<Bytes>& result) {
  if (!result.ok()) return result.error();
  MESH_TRY(applied, decode<model::CommandResult>(*result));
  return model::status_of(applied);
}

void StateMachine::begin_load() { state_ = State(); }

Status StateMachine::load(const raft::Row& row) {
  return state_.change({model::TableId(row.table), row.key, row.value}, 0);
}

Status StateMachine::end_load(raft::Index applied) {
  state_.loaded_at(applied.value());
  if (observer_ != nullptr) observer_->on_loaded(state_);
  return {};
}

}  // namespace mesh::server
