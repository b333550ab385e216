// One run of servers that come and go: a cluster that begins with one server takes in others and lets them go, by the
// product's own plan and state machine through the simulated Raft, while servers crash, pause and are cut off, some for good
// in the middle of their leave. Beside them nodes without a server, whose health the leader keeps by what gossip tells it;
// gossip itself is a script here: late, and sometimes wrong for a while.
//
// Always: one change at a time, none that leaves too few voters that live; a server that is in Raft's configuration has not
// lost its row; who was removed leads no more. In the end the rows and the voters are the same servers, each node's health is
// what is true, and a server that leaves is gone soon. One thread.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/faults.h"
#include "tests/sim/member_host.h"
#include "tests/sim/network.h"
#include "tests/sim/profile.h"
#include "tests/sim/raft_checker.h"
#include "tests/sim/server.h"

namespace mesh::sim {

// What a run that held tells. Equal for equal seeds and binaries.
struct MemberReport {
  std::uint64_t seed = 0;
  Duration virtual_time{};
  std::uint64_t actions_total = 0;
  std::uint64_t joined = 0;
  std::uint64_t removed = 0;
  std::uint64_t changes = 0;  // of Raft's configuration, proposed
  std::uint64_t leaders = 0;
  Duration settled_after{};   // from the end of the faults
  Duration left_after{};      // a server that leaves then; 0: there is one only
  friend bool operator==(const MemberReport&, const MemberReport&) = default;
};

class MemberCluster final : public FaultTarget {
 public:
  explicit MemberCluster(std::uint64_t seed);

  MemberReport run();

  [[nodiscard]] HostId servers() const override { return kHosts; }
  [[nodiscard]] bool up(HostId host) const override { return servers_[host]->up(); }
  void crash(HostId host, bool power_lost) override;
  void start(HostId host) override;  // not if it was killed for good
  void pause(HostId host, Duration duration) override { servers_[host]->process().pause(duration); }
  void end_pause(HostId host) override { servers_[host]->process().end_pause(); }
  void jump_clock(HostId host, Duration forward) override { servers_[host]->process().jump_clock(forward); }
  void fill_disk(HostId, bool) override {}  // raft_cluster.h has these
  void break_next_sync(HostId) override {}
  void rot(HostId) override {}
  void rot_truncation(HostId) override {}
  void change_members() override {}
  void change_member(HostId, const raft::MembershipChange&) override {}
  void restore_members() override {}
  [[nodiscard]] std::vector<raft::ServerId> voters(HostId as_seen_by) const override;
  void transfer_leadership() override;
  void transfer(HostId, HostId) override {}
  [[nodiscard]] HostId likely_leader() const override;

 private:
  static constexpr HostId kHosts = 7;
  static constexpr std::size_t kAgents = 6;
  using Truth = std::optional<gossip::MemberState>;  // none: gossip never heard of the node

  [[nodiscard]] const server::State& state_of(HostId host) const { return servers_[host]->machine()->state(); }
  void found();

  // What operators do.
  void operate();
  void act();
  void ask_to_join(HostId at);
  void ask_to_leave(HostId at);
  void begin_leave(HostId at);
  void register_nodes(HostId at);
  void kill(HostId host);
  void change_agent();

  // What gossip tells. Nodes: the hosts, then the agents.
  [[nodiscard]] Truth truth(std::size_t node) const;
  void tell(HostId observer, std::size_t node, Truth what);
  void tell_all(std::size_t node);
  void tell_of_all(HostId observer);
  void slander();

  void look_now_and_then();
  void check_now();
  void check_leader(HostId host);
  void check_change(HostId host, const server::MembershipView& view, const raft::MembershipChange& change);
  [[nodiscard]] std::string unsettled() const;  // empty: all is as it must be in the end
  [[nodiscard]] std::string unsettled_members(const raft::Core& core, const server::State& state) const;
  [[nodiscard]] std::string unsettled_health(const server::State& state) const;
  [[nodiscard]] Duration await_settled();
  [[nodiscard]] Duration await_leave();

  std::uint64_t seed_;
  Rng rng_;
  Profile profile_;
  EventQueue queue_;
  Network network_;
  RaftChecker checker_;
  Hooks hooks_;
  std::vector<std::unique_ptr<Server>> servers_;
  std::vector<std::unique_ptr<MemberHost>> hosts_;
  FaultInjector faults_;
  std::vector<Truth> agents_;
  std::vector<MonoTime> down_since_;
  std::vector<bool> killed_;
  std::set<HostId> removed_;
  HostId next_ = 1;                // to join
  std::optional<HostId> joining_;
  std::optional<HostId> leaving_;
  std::uint64_t leave_tries_ = 0;
  std::uint64_t changes_ = 0;
  bool stormy_ = true;
};

}  // namespace mesh::sim
