// Sees every server of a run from outside and holds the whole cluster to what Raft promises, after every step:
//
//   election safety       at most one leader in a term
//   log matching          entries with one index and term are equal, and so is all before them
//   leader completeness   a new leader's log holds everything that was committed in the terms before
//   own-term commit       a leader counts replicas only for an entry of its own term
//   state machine safety  one index, one entry, on every server that applies it, in order, without a gap
//   equal states          after one index, one hash of the product's state and one result, also when loaded from tables
//   durable promises      what a vote, an acknowledgement or a commit rests on is on the disks of those who promised
//   durable restart       a log opened again holds all that was durable before, and nothing that was never written
//
// A breach ends the run (outcome.h). For this it keeps, per server, a shadow of what the disk must hold.
// One thread; values only.
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "raft/actions.h"
#include "raft/core.h"
#include "raft/storage.h"
#include "tests/sim/network.h"

namespace mesh::sim {

[[nodiscard]] constexpr raft::ServerId id_of(HostId host) { return raft::ServerId(std::uint64_t{host} + 1); }
[[nodiscard]] constexpr HostId host_of(raft::ServerId id) { return static_cast<HostId>(id.value() - 1); }

class RaftChecker {
 public:
  explicit RaftChecker(HostId servers) : shadows_(servers), seen_commit_(servers), seen_applied_(servers) {}

  // A store was opened; `in_flight` is the batch that the crash interrupted, if any. A log that rotted while the server
  // was down may have lost entries, if it says so.
  void on_recovered(HostId host, const raft::RecoveredState& recovered, const raft::PersistBatch* in_flight, bool rotten);
  void on_durable(HostId host, const raft::PersistBatch& batch);

  struct Before {
    raft::Role role = raft::Role::Follower;
    raft::Term term;
    raft::Index commit;
  };
  [[nodiscard]] static Before before(const raft::Core& core) { return {core.role(), core.term(), core.commit()}; }
  void after_step(HostId host, const Before& before, const raft::Core& core, const raft::Actions& actions);

  void on_applied(HostId host, const raft::Entry& entry);
  void on_installed(HostId host, raft::Index applied);
  // The state machine's state after this entry, applied or loaded; its answer to it.
  void on_state(HostId host, raft::Index index, std::uint64_t hash) { compare(host, index, hash, states_, "state"); }
  void on_result(HostId host, raft::Index index, std::uint64_t hash) { compare(host, index, hash, results_, "result"); }

  [[nodiscard]] raft::Index committed() const { return raft::Index(committed_.size() - 1); }
  [[nodiscard]] std::uint64_t leaders_total() const { return leaders_.size(); }

 private:
  struct Written {
    raft::Term term;
    std::uint64_t hash = 0;
    friend bool operator==(const Written&, const Written&) = default;
  };
  struct Shadow {
    raft::HardState hard_state;
    raft::Index base;
    raft::Index installed;         // the tables hold a snapshot of this durably, whatever the log says yet
    std::vector<Written> entries;  // the first has index base + 1

    [[nodiscard]] raft::Index last() const { return base + entries.size(); }
    [[nodiscard]] const Written* at(raft::Index index) const;
    void write(const raft::PersistBatch& batch);
  };
  struct Link {
    std::uint64_t hash = 0;
    raft::Term previous_term;
  };

  static void compare(HostId host, raft::Index index, std::uint64_t hash, std::vector<std::optional<std::uint64_t>>& known,
                      const char* what);
  void check_recovered_log(HostId host, const Shadow& found, const raft::PersistBatch* in_flight) const;
  void check_leader(HostId host, const Before& before, const raft::Core& core);
  void check_batch(HostId host, const raft::Core& core, const raft::PersistBatch& batch);
  void check_promises(HostId host, const raft::Message& message) const;
  void check_commit(HostId host, const Before& before, const raft::Core& core);
  void check_quorum_holds(HostId leader, const raft::Core& core, raft::Index index, raft::Term term) const;

  std::vector<Shadow> shadows_;
  bool rot_seen_ = false;  // what was acknowledged may be gone: commits are no longer counted on the disks
  std::vector<raft::Index> seen_commit_;
  std::vector<raft::Index> seen_applied_;
  std::unordered_map<std::uint64_t, raft::ServerId> leaders_;  // by term
  std::unordered_map<std::uint64_t, Link> links_;              // by index and term
  std::vector<raft::Term> committed_{raft::Term(0)};           // by index
  std::vector<raft::Term> committed_in_{raft::Term(0)};        // by index: the term of the leader that committed it
  std::vector<std::optional<Written>> applied_{std::nullopt};  // by index
  std::vector<std::optional<std::uint64_t>> states_;           // by index
  std::vector<std::optional<std::uint64_t>> results_;          // by index
};

}  // namespace mesh::sim
