// One run: a gossip pool made from one seed, driven through faults, then healed and held to agreement; after that one
// member is killed, one is killed and reported, one comes back, one leaves, each within a bound. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/rng.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/faults.h"
#include "tests/sim/gossip_checker.h"
#include "tests/sim/gossip_host.h"
#include "tests/sim/gossip_profile.h"
#include "tests/sim/network.h"

namespace mesh::sim {

// What a run that held tells. Equal for equal seeds and binaries.
struct GossipReport {
  std::uint64_t seed = 0;
  std::uint64_t hosts = 0;
  Duration virtual_time{};
  std::uint64_t actions_total = 0;
  std::uint64_t messages_total = 0;
  std::uint64_t false_failures = 0;
  Duration agreed_after{};   // from the end of the faults until all hold the same
  Duration killed_after{};   // until all know; 0: not tried (two hosts)
  Duration reported_after{}; // the same with SuspectNow at one member
  Duration back_after{};
  Duration left_after{};
  friend bool operator==(const GossipReport&, const GossipReport&) = default;
};

class GossipPool final : public FaultTarget {
 public:
  explicit GossipPool(std::uint64_t seed);

  GossipReport run();

  [[nodiscard]] HostId servers() const override { return profile_.hosts; }
  [[nodiscard]] bool up(HostId host) const override { return hosts_[host]->up(); }
  void crash(HostId host, bool power_lost) override { hosts_[host]->crash(power_lost); }
  void start(HostId host) override { hosts_[host]->start(keys_); }
  void pause(HostId host, Duration duration) override;
  void end_pause(HostId host) override;
  void jump_clock(HostId host, Duration forward) override { hosts_[host]->process().jump_clock(forward); }
  void fill_disk(HostId, bool) override {}  // no disks here
  void break_next_sync(HostId) override {}
  void rot(HostId) override {}
  void rot_truncation(HostId) override {}
  void change_members() override {}  // nobody leads
  void change_member(HostId, const raft::MembershipChange&) override {}
  void restore_members() override {}
  [[nodiscard]] std::vector<raft::ServerId> voters(HostId) const override { return {}; }
  void transfer_leadership() override {}
  void transfer(HostId, HostId) override {}
  [[nodiscard]] HostId likely_leader() const override { return 0; }

 private:
  void start_all();
  void change_attributes_now_and_then();
  void look_now_and_then();
  void rotate_key();
  void replace_keys_everywhere(UniqueFunction<void(gossip::Keyring&)> change);
  void check_calm_traffic();
  [[nodiscard]] Duration await(const char* what, Duration at_most, const std::function<bool()>& holds);
  [[nodiscard]] bool agreed() const;
  [[nodiscard]] bool all_hold(HostId about, gossip::MemberState state) const;
  [[nodiscard]] HostId draw_running();
  [[nodiscard]] std::string disagreement() const;

  std::uint64_t seed_;
  Rng rng_;
  GossipProfile profile_;
  EventQueue queue_;
  Network network_;
  GossipChecker checker_;
  gossip::Keyring keys_;  // what a process that starts now is given
  std::vector<std::unique_ptr<GossipHost>> hosts_;
  FaultInjector faults_;
  bool stormy_ = true;
};

}  // namespace mesh::sim
