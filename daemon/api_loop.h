// The API and DNS loop of an agent: HTTP API, DNS, and their way to the servers. It reads immutable views and never
// waits for another loop.
//
// Thread: made, started, stopped and destroyed by the main thread (LoopThread); publish() from the agent loop.
#pragma once

#include <memory>
#include <vector>

#include "agent/agent.h"
#include "agent/dns/server.h"
#include "agent/http_api/api.h"
#include "agent/server_client.h"
#include "base/metrics.h"
#include "daemon/loop_thread.h"
#include "model/config.h"
#include "net/http1/server.h"
#include "net/rpc.h"

namespace mesh::daemon {

class ApiLoop {
 public:
  explicit ApiLoop(MetricRegistry& metrics);
  ~ApiLoop();
  ApiLoop(const ApiLoop&) = delete;
  ApiLoop& operator=(const ApiLoop&) = delete;

  [[nodiscard]] net::Loop& loop() { return thread_.loop(); }

  // Builds and binds everything: HTTP over TCP and, unless run_dir is empty, over RUN_DIR/agent.sock; DNS. The channel
  // belongs to loop(). Errors: an address in use (says by whom), a bad recursor; the process should end.
  Status open(const model::Config& config, std::unique_ptr<net::RpcChannel> servers, agent::Agent& agent,
              net::Loop& agent_loop, agent::Examine examine, Rng rng);
  void start() { thread_.start(); }
  // Refuses new requests, lets running ones end for a moment, then ends the thread.
  void stop();

  void publish(agent::AgentViewPtr view);

  // For the questions that meshd-steer brings. REQUIRES open(), before start(); called once.
  [[nodiscard]] Result<dns::Server::SteeredSockets> listen_steered() { return dns_->listen_steered(); }
  void answer_steered_through(UniqueFd raw);

  // After open().
  [[nodiscard]] std::vector<net::Endpoint> http_endpoints() const { return http_->endpoints(); }
  [[nodiscard]] std::vector<net::Address> dns_addresses() const { return dns_->addresses(); }

 private:
  Status open_http(const model::Config& config);
  Status open_http_socket(const model::Config& config);
  Status open_dns(const model::Config& config, std::uint64_t seed);

  MetricRegistry& metrics_;
  LoopThread thread_;
  std::unique_ptr<net::RpcChannel> channel_;
  std::unique_ptr<agent::ServerClient> servers_;
  std::unique_ptr<agent::AgentHandle> control_;
  std::unique_ptr<agent::HttpApi> api_;
  std::unique_ptr<net::Http1Server> http_;
  std::unique_ptr<dns::Server> dns_;
};

}  // namespace mesh::daemon
