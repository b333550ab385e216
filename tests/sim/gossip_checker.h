// What must hold of a gossip pool at every moment, and the clocks of what must come to hold. A breach ends the run.
//
// Always: each member's own invariants; packets within their bound; a member's incarnation never goes back in the eyes of
// one process; events come in an order that makes sense (nothing fails that is not there, nothing joins twice).
// In weather in which nobody has a reason: no failure of a process that ran all the time.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "gossip/core.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/gossip_profile.h"
#include "tests/sim/network.h"

namespace mesh::sim {

class GossipChecker {
 public:
  GossipChecker(const EventQueue& queue, const GossipProfile& profile);

  void started(HostId host);
  void stopped(HostId host);
  void paused(HostId host, MonoTime until);
  void stepped(HostId observer, const gossip::Core& core) const;
  void packet_sent(HostId from, const gossip::SendPacket& packet) const;
  void told(HostId observer, const gossip::MemberEvent& event);
  void look(HostId observer, const gossip::Core& core);  // at everything that it holds; costly

  // From here on a failure of a process that runs is a breach in any weather.
  void forbid_failures() { failures_forbidden_ = true; }
  // Failures of a process that had run for a while, told to one that had, too.
  [[nodiscard]] std::uint64_t false_failures_total() const { return false_failures_total_; }

 private:
  struct Seen {
    gossip::Incarnation incarnation;
    bool there = false;
  };
  [[nodiscard]] bool ran_lately(HostId host) const;
  void check_failure(HostId observer, HostId about);

  const EventQueue& queue_;
  const GossipProfile& profile_;
  bool failures_forbidden_ = false;
  std::uint64_t false_failures_total_ = 0;
  std::vector<std::map<HostId, Seen>> seen_;  // by observer
  std::vector<bool> up_;
  std::vector<MonoTime> disturbed_;           // until when the host was last paused or down
};

}  // namespace mesh::sim
