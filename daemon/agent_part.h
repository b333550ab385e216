// The agent part of a process: local state and its sync on the agent loop, HTTP API and DNS on the API loop, and, on a host
// that has joined a mesh, its data plane. The same in `agent`, `server` and `dev`; they differ in how it reaches the servers.
//
// Thread: the main thread, which runs the agent loop between start() and stop(). To add a loop of the agent, start here.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/agent.h"
#include "base/function.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/rng.h"
#include "daemon/api_loop.h"
#include "daemon/doctor.h"
#include "daemon/gossip_part.h"
#include "daemon/mesh_part.h"
#include "model/config.h"
#include "net/loop.h"
#include "net/rpc.h"

namespace mesh::daemon {

class AgentPart {
 public:
  // What only a host that has joined has.
  struct Membership {
    net::HandshakePool* pool;
    agent::NodeFiles files;
    agent::NodeIdentity node;
    UniqueFunction<void(const proxy::Identities&)> on_identities;
    UniqueFunction<void(const std::vector<std::string>&)> on_servers;
    UniqueFunction<void(const gossip::MemberEvent&)> on_member_event;  // may be empty
    UniqueFunction<void(const Error&)> on_removed;  // see Agent::set_on_removed
    UniqueFunction<std::string()> describe_link;  // how the connection to the servers is; on the agent loop
  };
  struct Options {
    model::Config config;         // with the node's name filled in
    agent::AgentOptions agent{};
    std::optional<Membership> membership = {};
  };
  // A channel to the servers, for one loop. Called from open(), once for each loop that needs one.
  using Connect = UniqueFunction<std::unique_ptr<net::RpcChannel>(net::Loop&)>;

  // on_serving: on the agent loop, once: clients are served and the catalog knows this node.
  AgentPart(net::Loop& loop, MetricRegistry& metrics, UniqueFunction<void()> on_serving);
  ~AgentPart() { stop(); }
  AgentPart(const AgentPart&) = delete;
  AgentPart& operator=(const AgentPart&) = delete;

  // Builds and binds everything. Errors: ApiLoop::open's.
  Status open(Options options, Connect connect, Rng rng);
  // Subscribes, registers the configured services, opens the data plane. Errors: a service that cannot be registered;
  // MeshPart::open's.
  Status start();
  // The configuration was read again: what may change while running takes effect. Errors: Agent::replace_services'.
  Status reload(const model::Config& config);
  // Says good-bye to the pool; new connections are refused, open ones may end until the deadline. on_drained: on the agent
  // loop.
  void drain(MonoTime deadline, UniqueFunction<void()> on_drained);
  void stop();

  // See GossipPart::suspect. Nothing happens on a host that has not joined.
  void suspect(std::string_view node_id);

  [[nodiscard]] const ApiLoop& api() const { return api_; }

 private:
  Status open_gossip();
  Status open_mesh();
  void servers_told(const std::vector<std::string>& servers);
  void on_view(agent::AgentViewPtr view);
  void drained();
  [[nodiscard]] agent::DoctorFacts facts();
  [[nodiscard]] agent::Examine examine();

  net::Loop& loop_;
  MetricRegistry& metrics_;
  UniqueFunction<void()> on_serving_;
  Options options_;
  ApiLoop api_;
  std::unique_ptr<net::RpcChannel> channel_;
  std::unique_ptr<agent::Agent> agent_;
  std::unique_ptr<GossipPart> gossip_;
  std::unique_ptr<MeshPart> mesh_;
  dns::Server::SteeredSockets dns_;
  std::vector<net::Endpoint> http_at_;
  std::vector<net::Address> dns_at_;
  bool server_ = false;
  Doctor doctor_;
  Rng rng_;
  bool api_open_ = false;
  UniqueFunction<void()> on_drained_;
  int draining_ = 0;  // parts that are not done
};

}  // namespace mesh::daemon
