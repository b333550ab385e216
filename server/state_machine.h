// StateMachine: the replicated state behind raft::StateMachine. It decodes a command, lets it run in a
// transaction, keeps the resulting version, remembers the result for retries and hands the change set to an
// observer.
//
// Thread: the raft loop. A payload that this release cannot apply stops the process (docs/formats/state.md):
// skipping it would let replicas differ.
#pragma once

#include "model/command.h"
#include "raft/state_machine.h"
#include "server/state.h"

namespace mesh::server {

// What follows the state: the watch hub, blocking reads. Called on the raft loop, from inside apply and
// end_load; must not call back into the state machine.
class StateObserver {
 public:
  virtual ~StateObserver() = default;
  virtual void on_changes(const model::ChangeSet& changes, const State& state) = 0;
  // The whole state was replaced (start, or a snapshot was installed).
  virtual void on_loaded(const State& state) = 0;
};

class StateMachine final : public raft::StateMachine {
 public:
  // null: nobody follows. The observer outlives this object or is replaced.
  void set_observer(StateObserver* observer) { observer_ = observer; }
  [[nodiscard]] const State& state() const { return state_; }

  // The result bytes are a model::CommandResult.
  [[nodiscard]] raft::ApplyResult apply(raft::Index index, ByteView payload) override;
  void begin_load() override;
  [[nodiscard]] Status load(const raft::Row& row) override;
  [[nodiscard]] Status end_load(raft::Index applied) override;

 private:
  State state_;
  StateObserver* observer_ = nullptr;
};

// Of a proposed command, by what came back for it: that it was applied and did not say no.
[[nodiscard]] Status status_of(const Result<Bytes>& result);

}  // namespace mesh::server
