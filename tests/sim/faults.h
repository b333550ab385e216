// Strikes a cluster with what its profile asks for: crashes of one server or of all, pauses, partitions of every shape,
// clock jumps, membership changes, leadership transfers. To add a kind of fault, start at FaultTarget and
// FaultInjector::start. One thread; queue, network and target must outlive it.
#pragma once

#include <vector>

#include "base/rng.h"
#include "raft/event.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/network.h"
#include "tests/sim/profile.h"

namespace mesh::sim {

// What the injector may do to the servers. Hosts are 0 to servers() - 1.
class FaultTarget {
 public:
  virtual ~FaultTarget() = default;
  [[nodiscard]] virtual HostId servers() const = 0;
  [[nodiscard]] virtual bool up(HostId host) const = 0;
  virtual void crash(HostId host, bool power_lost) = 0;         // REQUIRES up(host); else the process alone dies
  virtual void start(HostId host) = 0;                          // REQUIRES !up(host)
  virtual void pause(HostId host, Duration duration) = 0;       // REQUIRES up(host)
  virtual void end_pause(HostId host) = 0;
  virtual void jump_clock(HostId host, Duration forward) = 0;
  virtual void fill_disk(HostId host, bool full) = 0;
  virtual void break_next_sync(HostId host) = 0;
  virtual void rot(HostId host) = 0;                            // spares it if too many are damaged
  virtual void rot_truncation(HostId host) = 0;                 // the same, where the log says that it was cut last; REQUIRES !up(host)
  virtual void change_members() = 0;
  virtual void change_member(HostId asked, const raft::MembershipChange& change) = 0;
  virtual void restore_members() = 0;                           // one step towards all servers as voters
  [[nodiscard]] virtual std::vector<raft::ServerId> voters(HostId as_seen_by) const = 0;  // REQUIRES up
  virtual void transfer_leadership() = 0;
  virtual void transfer(HostId asked, HostId to) = 0;           // REQUIRES up(asked)
  [[nodiscard]] virtual HostId likely_leader() const = 0;       // a favourite victim
};

class FaultInjector {
 public:
  FaultInjector(EventQueue& queue, Network& network, FaultTarget& target, Rng rng, const FaultProfile& profile);

  void start();
  // No fault strikes after this; links are mended, pauses end, disks have room, servers that are down are started.
  void stop();

 private:
  void repeat(Duration mean, void (FaultInjector::*strike)());
  void crash();
  void crash_one(HostId host, bool power_lost);
  void pause();
  void partition();
  void jump_clock();
  void fill_disk();
  void break_sync();
  void rot();
  void change_members() { target_.change_members(); }
  void transfer();
  void mend_after(Duration most);

  void cut_both(HostId a, HostId b);
  void isolate(HostId victim, bool inward, bool outward);
  void split();
  void split_with_bridge();
  void cut_some_links();
  HostId draw_victim();

  EventQueue& queue_;
  Network& network_;
  FaultTarget& target_;
  Rng rng_;
  FaultProfile profile_;
  bool stopped_ = false;
  std::uint64_t partition_number_ = 0;
};

}  // namespace mesh::sim
