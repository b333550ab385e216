// Anti-entropy: makes this node's rows in the catalog agree with its local state. A core without I/O.
//
//   diff(local, catalog) says what must be written; Sync paces it: at once on change, one round of writes at a time,
//   the next round only when the replica shows the last one, back-off with jitter while no server answers, cut short
//   when the catalog goes on, output of checks coalesced. Since it compares whole states, it also repairs what others wrote to this node's rows.
//
// Thread: one (the agent loop). Values in, values out.
//
// Limits: kSyncObjectsMax objects and kSyncBytesMax bytes in one registration (more go in the next round), kSyncRemovalsMax removals a round.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/local_state.h"
#include "base/result.h"
#include "base/rng.h"
#include "base/time.h"
#include "model/catalog.h"
#include "model/command.h"

namespace mesh::agent {

inline constexpr std::size_t kSyncObjectsMax = 64;
inline constexpr std::size_t kSyncBytesMax = std::size_t{512} << 10;  // and one row; under the 1 MiB of a proposal
inline constexpr std::size_t kSyncRemovalsMax = 64;
inline constexpr Duration kSyncBackoffMin = milliseconds(100);
inline constexpr Duration kSyncBackoffMax = seconds(15);
inline constexpr Duration kSyncOutputInterval = seconds(60);  // between two rounds for outputs alone
inline constexpr Duration kSyncSettleMax = seconds(5);        // then the replica's silence counts as a failure

// What the catalog lacks. Empty: it agrees.
struct SyncPlan {
  std::optional<model::RegisterCommand> registration;
  std::vector<model::DeregisterCommand> removals;
  bool outputs_only = true;  // nothing differs but the output of checks

  [[nodiscard]] bool empty() const { return !registration && removals.empty(); }
};

// Never removes or writes serfHealth, which the servers own. Tags of an instance with enable_tag_override stay as the
// catalog has them.
[[nodiscard]] SyncPlan diff(const LocalState& local, const model::Catalog& catalog);

class Sync {
 public:
  Sync(LocalState local, Rng rng) : local_(std::move(local)), rng_(std::move(rng)) {}

  // Events. Each returns the commands to send now; for each of them on_done is owed once, in any order.
  [[nodiscard]] std::vector<model::Command> on_local(MonoTime now, LocalState local);
  [[nodiscard]] std::vector<model::Command> on_replica(MonoTime now, model::Catalog catalog);
  // The servers' answer: the Raft index of the write, or why it failed.
  [[nodiscard]] std::vector<model::Command> on_done(MonoTime now, Result<std::uint64_t> index);
  [[nodiscard]] std::vector<model::Command> on_tick(MonoTime now);

  // When on_tick has work; kNever: not by time alone.
  [[nodiscard]] MonoTime next_deadline() const { return deadline_; }

  // Local revisions up to this one are in the catalog and in the replica (output of checks aside).
  [[nodiscard]] std::uint64_t synced_revision() const { return synced_revision_; }
  // Why the last round failed; none while all is well.
  [[nodiscard]] const std::optional<Error>& last_error() const { return last_error_; }

 private:
  enum class State : std::uint8_t {
    Waiting,   // no replica yet
    Resting,   // agrees, or only outputs differ
    Writing,   // outstanding_ answers are owed
    Settling,  // written; the replica is to show written_index_
    Backoff,   // failed; again at deadline_
  };

  [[nodiscard]] std::vector<model::Command> compare(MonoTime now);
  void back_off(MonoTime now, Error why);

  LocalState local_;
  std::optional<model::Catalog> catalog_;
  Rng rng_;
  State state_ = State::Waiting;
  MonoTime deadline_ = kNever;
  MonoTime outputs_at_{};           // outputs alone may be written from then on
  std::size_t outstanding_ = 0;
  std::uint64_t written_index_ = 0;
  std::uint64_t failed_index_ = 0;  // of the catalog when the last round failed
  std::optional<Error> round_error_;
  std::optional<Error> last_error_;
  Duration backoff_ = kSyncBackoffMin;
  std::uint64_t synced_revision_ = 0;
};

}  // namespace mesh::agent
