// What a simulated server replicates: the simulator's registers, whose history is judged, and beside them the product's own
// state machine, whose state must be the same on every server after every entry. An entry's payload holds a command for each.
// Deterministic; one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "base/rng.h"
#include "raft/state_machine.h"
#include "server/state_machine.h"
#include "tests/sim/kv.h"

namespace mesh::sim {

[[nodiscard]] Bytes make_payload(const KvCommand& registers, const model::Command& product);
void stamp(model::Command& command, WallTime now, Rng& rng);  // what a leader puts into each command
// What a leader proposes with a client's request: the same request again has the same request id and body, but another time and
// other random bytes.
[[nodiscard]] model::Command product_command(const KvCommand& request, WallTime now, Rng& rng);

class Replica final : public raft::StateMachine {
 public:
  [[nodiscard]] raft::ApplyResult apply(raft::Index index, ByteView payload) override;  // result: of the registers
  void begin_load() override;
  [[nodiscard]] Status load(const raft::Row& row) override;
  [[nodiscard]] Status end_load(raft::Index applied) override;

  [[nodiscard]] const KvMachine& registers() const { return registers_; }
  [[nodiscard]] const server::State& state() const { return product_.state(); }
  [[nodiscard]] std::uint64_t state_hash() const { return product_.state().hash(); }
  // Of the product's answer to the last entry.
  [[nodiscard]] std::uint64_t result_hash() const { return result_hash_; }

  [[nodiscard]] static std::vector<raft::TableId> tables();

 private:
  KvMachine registers_;
  server::StateMachine product_;
  std::uint64_t result_hash_ = 0;
};

}  // namespace mesh::sim
