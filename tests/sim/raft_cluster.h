// One run: a cluster of servers with its clients and faults, made from one seed, driven through load and faults, then
// healed and held to convergence. Everything that a run needs lives here; the checkers end the process on a breach.
// One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/rng.h"
#include "tests/sim/client.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/faults.h"
#include "tests/sim/history.h"
#include "tests/sim/network.h"
#include "tests/sim/plays.h"
#include "tests/sim/profile.h"
#include "tests/sim/raft_checker.h"
#include "tests/sim/server.h"

namespace mesh::sim {

// What a run that held tells. Equal for equal seeds and binaries.
struct RunReport {
  std::uint64_t seed = 0;
  Duration virtual_time{};
  std::uint64_t actions_total = 0;
  std::uint64_t messages_total = 0;
  std::uint64_t operations_total = 0;
  std::uint64_t answered_total = 0;
  std::uint64_t committed_total = 0;
  std::uint64_t leaders_total = 0;
  Duration elected_after{};    // from the end of the faults to a leader
  std::uint64_t elections_lost = 0;  // meanwhile: terms that got none
  Duration leader_after{};     // to one that has committed in its term, so that a client could use it
  Duration converged_after{};  // from the end of the load to equal state
  friend bool operator==(const RunReport&, const RunReport&) = default;
};

class RaftCluster final : public FaultTarget {
 public:
  explicit RaftCluster(std::uint64_t seed);

  RunReport run();

  [[nodiscard]] HostId servers() const override { return profile_.servers + profile_.spares; }
  [[nodiscard]] bool up(HostId host) const override { return servers_[host]->up(); }
  void crash(HostId host, bool power_lost) override { servers_[host]->crash(power_lost); }
  void start(HostId host) override { servers_[host]->start(); }
  void pause(HostId host, Duration duration) override { servers_[host]->process().pause(duration); }
  void end_pause(HostId host) override { servers_[host]->process().end_pause(); }
  void jump_clock(HostId host, Duration forward) override { servers_[host]->process().jump_clock(forward); }
  void fill_disk(HostId host, bool full) override { servers_[host]->fill_disk(full); }
  void break_next_sync(HostId host) override { servers_[host]->break_next_sync(); }
  void rot(HostId host) override;
  void rot_truncation(HostId host) override;
  void change_members() override;
  void change_member(HostId asked, const raft::MembershipChange& change) override { servers_[asked]->change_membership(change); }
  void restore_members() override;
  [[nodiscard]] std::vector<raft::ServerId> voters(HostId as_seen_by) const override;
  void transfer_leadership() override;
  void transfer(HostId asked, HostId to) override { servers_[asked]->transfer(id_of(to)); }
  [[nodiscard]] HostId likely_leader() const override;

 private:
  void deliver(HostId from, HostId to, Bytes message);
  [[nodiscard]] bool may_rot(HostId host) const;
  void start_all();
  void heal();
  void await_elected(RunReport& report);
  [[nodiscard]] Duration await_usable();
  [[nodiscard]] Duration exits_to_come() const;
  [[nodiscard]] raft::Term highest_term() const;
  [[nodiscard]] const raft::Core* latest_leader() const;
  [[nodiscard]] Duration await_convergence();
  void await_progress();
  [[nodiscard]] bool converged() const;
  [[nodiscard]] const raft::Core* leader() const;
  void check_equal_state() const;
  void check_history() const;
  void check_good_weather() const;
  [[nodiscard]] std::string describe_servers() const;

  std::uint64_t seed_;
  Rng rng_;
  Profile profile_;
  EventQueue queue_;
  MonoTime healed_at_;
  Network network_;
  RaftChecker checker_;
  History history_;
  std::vector<std::unique_ptr<Server>> servers_;
  std::vector<std::unique_ptr<Client>> clients_;
  FaultInjector faults_;
  Plays plays_;
  Hooks hooks_;
};

}  // namespace mesh::sim
