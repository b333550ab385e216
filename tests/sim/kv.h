// The simulator's own state machine: registers with write and compare-and-set, and a table of sessions that makes a
// repeated request harmless. Small on purpose: what the Raft runs prove must not lean on the product's state machine.
// Deterministic; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "raft/state_machine.h"
#include "tests/sim/linearize.h"

namespace mesh::sim {

struct KvCommand {
  OpKind kind = OpKind::Write;  // Write or Cas
  std::uint32_t client = 0;
  std::uint64_t number = 0;  // grows by one with each new request of a client; a repetition keeps it
  std::uint64_t key = 0;
  std::uint64_t expected = 0;
  std::uint64_t value = 0;
  std::uint32_t filler = 0;  // bytes without meaning, so that entries differ in size
};

[[nodiscard]] Bytes encode(const KvCommand& command);
[[nodiscard]] Result<KvCommand> decode_kv_command(ByteView bytes);

struct KvResult {
  bool known = true;  // false: the client has sent later requests, this one's outcome is forgotten
  bool swapped = false;
  std::uint64_t shown = kAbsent;  // not swapped: what the register holds
};
[[nodiscard]] Result<KvResult> decode_kv_result(ByteView bytes);

class KvMachine final : public raft::StateMachine {
 public:
  [[nodiscard]] raft::ApplyResult apply(raft::Index index, ByteView payload) override;
  void begin_load() override;
  [[nodiscard]] Status load(const raft::Row& row) override;
  [[nodiscard]] Status end_load(raft::Index applied) override;

  [[nodiscard]] std::uint64_t read(std::uint64_t key) const;
  [[nodiscard]] bool same_state(const KvMachine& other) const {
    return registers_ == other.registers_ && sessions_ == other.sessions_;
  }

  static constexpr raft::TableId kRegisters = 1001;  // behind the product's
  static constexpr raft::TableId kSessions = 1002;

 private:
  struct Session {
    std::uint64_t number = 0;
    bool swapped = false;
    std::uint64_t shown = kAbsent;
    friend bool operator==(const Session&, const Session&) = default;
  };
  KvResult apply(const KvCommand& command, std::vector<raft::RowWrite>& rows);

  std::map<std::uint64_t, std::uint64_t> registers_;
  std::map<std::uint64_t, Session> sessions_;  // by client
};

}  // namespace mesh::sim
