// The agent loop's part of a node: local state, its sync with the catalog, the replica, and the views that other loops
// read. AgentHandle is how another loop changes local state.
//
// With a data directory it starts from what it kept there: services registered through the API, what checks found, and
// the last known catalog, so that it serves before and without any server.
//
// Thread: the agent loop, and a disk thread of its own. Ownership: the channel must outlive the agent. Destroying it
// writes what is to be kept. Completions: control.h.
//
// Limits: kControlWaitersMax callers may wait for a sync; more are answered at once (their change is kept).
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/catalog_cache.h"
#include "agent/checks/runner.h"
#include "agent/control.h"
#include "agent/local_state.h"
#include "agent/local_store.h"
#include "agent/replica.h"
#include "agent/server_client.h"
#include "agent/sync.h"
#include "agent/view.h"
#include "base/rng.h"
#include "net/blocking_worker.h"
#include "net/loop.h"
#include "net/timer.h"

namespace mesh::agent {

inline constexpr std::size_t kControlWaitersMax = 4096;
inline constexpr Duration kSyncWriteTimeout = seconds(10);
inline constexpr Duration kLeaveTimeout = seconds(8);  // less than meshctl waits; a server leaves Raft as well
inline constexpr Duration kLeftGrace = seconds(30);   // for whoever asked to leave, to end this process
inline constexpr Duration kStatusInterval = seconds(5);
inline constexpr Duration kClockCallMax = seconds(2);        // a slower answer says nothing about the clock
inline constexpr Duration kStatusRetry = milliseconds(100);  // while no leader is known

struct AgentOptions {
  model::Node node;  // with id, name, address, datacenter
  std::string domain;
  std::string data_dir = {};    // empty: nothing is kept
  std::string cluster_id = {};  // whose catalog the data directory may hold
  std::vector<std::string> services_allowed = {};  // name patterns of the node's join token; none: not known, all
};

class Agent {
 public:
  using OnView = UniqueFunction<void(AgentViewPtr)>;

  // on_view: on the agent loop, for each new version.
  Agent(net::Loop& loop, net::RpcChannel& channel, Rng rng, const AgentOptions& options, OnView on_view);
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  // Loads what was kept (blocks), subscribes and registers this node with the configured services. One that the node may
  // not run is left out and logged. Errors: a service that cannot be registered.
  Status start(const std::vector<model::ServiceDefinition>& services);

  // The requests of control.h, on the agent loop.
  void register_service(const AgentControl::ServiceRegistration& registration, AgentControl::Done done);
  void deregister_service(const std::string& service_id, AgentControl::Done done);
  void register_check(const model::CheckDefinition& definition, AgentControl::Done done);
  void deregister_check(const std::string& check_id, AgentControl::Done done);
  void report_check(const AgentControl::CheckReport& report, AgentControl::Done done);
  void leave(AgentControl::Done done);

  // The configuration was read again: its services take the place of those it had before. Errors: a service that cannot
  // be registered, while the others are.
  Status replace_services(const std::vector<model::ServiceDefinition>& services);

  [[nodiscard]] AgentViewPtr view() const { return view_; }
  // The servers say that this node is no member any more, and nobody ends this process: on the agent loop, once, with what a
  // person should do.
  void set_on_removed(UniqueFunction<void(const Error&)> fn) { on_removed_ = std::move(fn); }
  // For the next views.
  void set_members(MembersPtr members);
  // For others on the agent loop that write small files; null without a data directory. They must go before the agent.
  [[nodiscard]] net::BlockingWorker* disk() { return disk_.get(); }

 private:
  struct Waiter {
    std::uint64_t revision;        // to be in the catalog
    std::uint64_t saved_revision;  // to be on disk
    MonoTime deadline;
    AgentControl::Done done;
  };

  [[nodiscard]] Status check_allowed(const std::string& service) const;
  void restore();
  void leave_out_forbidden();
  [[nodiscard]] model::Command leave_command() const;
  void registered(Status status, AgentControl::Done done);
  void changed(std::uint64_t saved_revision, AgentControl::Done done);
  void local_changed();
  void local_state_changed();
  void replica_changed();
  void check_result(const std::string& check_id, model::CheckStatus status, std::string_view output);
  void check_expired(const model::CheckDefinition& check);
  void send(std::vector<model::Command> commands);
  void written(Result<model::CommandResult> result);
  void ask_status();
  void told_removed();
  void take_clock(WallTime servers, Duration took);
  void refresh();
  void publish();
  void release_waiters();
  void arm_timers();

  net::Loop& loop_;
  AgentOptions options_;
  OnView on_view_;
  LocalState local_;
  Sync sync_;
  ServerClient servers_;
  Replica replica_;
  CheckRunner checks_;
  std::unique_ptr<net::BlockingWorker> disk_;  // with store_ and cache_, from start(): only with a data directory
  std::unique_ptr<LocalStore> store_;
  std::unique_ptr<CatalogCache> cache_;
  std::string leader_;
  MembersPtr members_;
  std::optional<Duration> clock_ahead_;
  bool clock_told_ = false;
  bool left_ = false;
  MonoTime left_at_{};
  UniqueFunction<void(const Error&)> on_removed_;
  AgentViewPtr view_;
  std::deque<Waiter> waiters_;
  net::Timer sync_timer_;
  net::Timer waiter_timer_;
  net::Timer status_timer_;
};

// AgentControl for another loop. Belongs to that loop; both loops must outlive it, the agent until both have drained.
class AgentHandle final : public AgentControl {
 public:
  AgentHandle(net::Loop& own, net::Loop& agent_loop, Agent& agent);

  void register_service(ServiceRegistration registration, Done done) override;
  void deregister_service(std::string service_id, Done done) override;
  void register_check(model::CheckDefinition definition, Done done) override;
  void deregister_check(std::string check_id, Done done) override;
  void report_check(CheckReport report, Done done) override;
  void leave(Done done) override;

 private:
  // Runs request(agent, done) on the agent loop; done comes back to the own one.
  template <class Request>
  void ask(Request request, Done done);

  net::LoopRef own_;
  net::LoopRef agent_loop_;
  Agent& agent_;
};

}  // namespace mesh::agent
