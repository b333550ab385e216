#include "daemon/dev.h"

#include <cstdio>
#include <optional>

#include "base/file.h"
#include "base/log_writer.h"
#include "base/uuid.h"
#include "base/version.h"
#include "daemon/agent_part.h"
#include "daemon/process.h"
#include "daemon/seed.h"
#include "daemon/server_part.h"
#include "net/address.h"
#include "server/create_cluster.h"

namespace mesh::daemon {
namespace {

constexpr std::string_view kAddress = "127.0.0.1";

agent::AgentOptions agent_options(const model::Config& config, Rng& rng) {
  agent::AgentOptions options;
  options.node.id = model::NodeId(Uuid::make(rng).to_string());
  options.node.name = config.node.empty() ? host_name() : config.node;
  options.node.address = std::string(kAddress);
  options.node.datacenter = config.datacenter;
  options.node.version = std::string(version());
  options.domain = config.domain;
  return options;
}

class Dev {
 public:
  explicit Dev(model::Config config)
      : config_(std::move(config)), agent_(process_.loop(), process_.metrics(), [this] { tell_ready(); }) {}

  Status start() {
    MESH_TRY(data, TempDir::make("meshd-dev"));
    data_.emplace(std::move(data));
    MESH_TRY_STATUS(start_server());
    AgentPart::Options options{config_, agent_options(config_, rng_)};
    options.config.node = options.agent.node.name;
    options.config.run_dir.clear();  // no socket: it would be a real agent's
    return agent_.open(std::move(options), [this](net::Loop& loop) { return server_.connect(loop); }, rng_.fork());
  }

  Status run() {
    server_.start();
    Status status = agent_.start();
    if (status.ok()) status = process_.run();
    agent_.stop();
    server_.stop();
    return status;
  }

 private:
  Status start_server() {
    server::ServerOptions options;
    options.data_dir = data_->file("server");
    options.rpc_address = fmt::format("{}:{}", kAddress, config_.ports.rpc);
    options.seed = rng_.next();
    options.metrics = &process_.metrics();
    MESH_TRY_STATUS(server::create_cluster({.data_dir = options.data_dir,
                                            .cluster_id = Uuid::make(rng_).to_string(),
                                            .datacenter = config_.datacenter,
                                            .rpc_address = options.rpc_address,
                                            .default_allow = true}));
    return server_.open(options, [this](const Error& reason) { process_.fail(reason); });
  }

  void tell_ready() {
    const auto http = agent_.api().http_endpoints();
    const auto dns = agent_.api().dns_addresses();
    std::printf("meshd dev: ready; HTTP %s, DNS %s, data %s\n", http.empty() ? "off" : http[0].to_string().c_str(),
                dns.empty() ? "off" : dns[0].to_string().c_str(), data_->path().c_str());
    std::fflush(stdout);
  }

  model::Config config_;
  Process process_;  // hears signals before there is a folder to remove
  std::optional<TempDir> data_;
  Rng rng_ = random_rng();
  ServerPart server_{process_.metrics()};
  AgentPart agent_;
};

// dev lets every caller write, so only this host may call.
Status check_loopback(const model::Config& config) {
  MESH_TRY(ip, net::IpAddress::parse(config.client).context("client"));
  if (ip.is_loopback()) return {};
  return error(Code::Invalid,
               "client: {} is not a loopback address; 'meshd dev' lets everyone write, so it listens on 127.0.0.0/8 or ::1",
               config.client);
}

}  // namespace

Status run_dev(const model::Config& config) {
  MESH_TRY_STATUS(check_loopback(config));
  MESH_TRY_STATUS(set_log(config));
  const LogWriter log_writer;  // outlives the threads that log
  Dev dev(config);
  MESH_TRY_STATUS(dev.start());
  return dev.run();
}

}  // namespace mesh::daemon
