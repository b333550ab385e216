// MemberHost: what a server does for the members of its cluster while it leads, by the product's plan and rules
// (server/membership_plan.h, server/node_health.h), over a simulated server and the rows that it has applied. It stands in
// for MembershipDuty and HealthDuty, which do the same on a loop.
//
// One thread; queue and server must outlive it.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "server/membership_plan.h"
#include "server/node_health.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/server.h"

namespace mesh::sim {

class MemberHost {
 public:
  // Hears of each change of Raft's configuration before it is proposed.
  using OnChange = std::function<void(HostId, const server::MembershipView&, const raft::MembershipChange&)>;

  MemberHost(EventQueue& queue, Server& server, HostId host, std::string node_id, OnChange on_change)
      : queue_(queue), server_(server), host_(host), node_id_(std::move(node_id)), on_change_(std::move(on_change)) {}

  void on_start();  // its process began
  void on_leads();
  void on_member(const gossip::MemberEvent& event) { health_->on_member(event); }  // REQUIRES that the process is up
  // Now and then, while the process is up and not paused.
  void look();
  // Somebody asks it to remove the server of this node; refused if the product would refuse it.
  void remove(const std::string& node_id);

 private:
  struct Leaving {
    raft::ServerId id;
    std::string node_id;
    MonoTime deadline;
    std::optional<MonoTime> proposed{};  // the end of its row, when last
  };

  [[nodiscard]] const server::State& state() const { return server_.machine()->state(); }
  [[nodiscard]] bool leads() const;
  [[nodiscard]] server::MembershipView view() const;
  void go_on_with_removal();
  void keep_members();
  void keep_health();

  EventQueue& queue_;
  Server& server_;
  const HostId host_;
  const std::string node_id_;
  const OnChange on_change_;
  server::MembershipPlan plan_;
  MonoTime led_since_{};
  std::optional<Leaving> leaving_;
  std::optional<server::NodeHealth> health_;
  MonoTime health_rests_until_{};
};

}  // namespace mesh::sim
