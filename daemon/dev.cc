#include "daemon/dev.h"

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/log_writer.h"
#include "base/metrics.h"
#include "base/uuid.h"
#include "base/version.h"
#include "daemon/api_loop.h"
#include "daemon/loop_thread.h"
#include "daemon/process_metrics.h"
#include "daemon/seed.h"
#include "net/address.h"
#include "net/rpc_local.h"
#include "net/signal.h"
#include "server/create_cluster.h"
#include "server/server.h"

namespace mesh::daemon {
namespace {

constexpr std::string_view kAddress = "127.0.0.1";
constexpr Duration kServerStopMax = seconds(5);

std::string host_name() {
  char name[256] = {};
  if (gethostname(name, sizeof name - 1) != 0) return "localhost";
  const std::string text(name);
  return text.substr(0, text.find('.'));
}

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
  explicit Dev(model::Config config) : config_(std::move(config)), loop_("agent"), raft_("raft"), api_(metrics_) {}

  Status start() {
    watch_signals();  // before there is a folder to remove; what comes during the start is heard by run()
    MESH_TRY(data, TempDir::make("meshd-dev"));
    data_.emplace(std::move(data));
    register_process_metrics(metrics_);
    MESH_TRY_STATUS(start_server());
    return start_agent();
  }

  Status run() {
    raft_.start();
    api_.start();
    const Status started = agent_->start(config_.services);
    if (started.ok()) loop_.run();
    stop();
    if (!started.ok()) return started;
    return std::move(fatal_);
  }

 private:
  void watch_signals() {
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
      struct sigaction now{};
      if (number == SIGHUP && sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_IGN) continue;  // nohup
      signals_.push_back(std::make_unique<net::SignalWatcher>(loop_, number, [this] { loop_.stop(); }));
    }
  }

  Status start_server() {
    const std::string folder = data_->file("server");
    MESH_TRY_STATUS(server::create_cluster({.data_dir = folder,
                                            .cluster_id = Uuid::make(rng_).to_string(),
                                            .datacenter = config_.datacenter,
                                            .default_allow = true}));
    server::ServerOptions options;
    options.data_dir = folder;
    options.rpc_address = fmt::format("{}:{}", kAddress, config_.ports.rpc);
    options.seed = rng_.next();
    MESH_TRY(opened, server::Server::open(raft_.loop(), options, [this](const Error& error) { on_fatal(error); }));
    server_ = std::move(opened);
    listener_ = std::make_unique<net::LocalRpcListener>(raft_.loop(), server_->rpc());
    return {};
  }

  Status start_agent() {
    channel_ = listener_->connect(loop_);
    const agent::AgentOptions options = agent_options(config_, rng_);
    node_id_ = options.node.id;
    config_.node = options.node.name;
    agent_ = std::make_unique<agent::Agent>(loop_, *channel_, rng_.fork(), options,
                                            [this](agent::AgentViewPtr view) { on_view(std::move(view)); });
    MESH_TRY_STATUS(api_.open(config_, listener_->connect(api_.loop()), *agent_, loop_, rng_.fork()));
    api_open_ = true;
    on_view(agent_->view());
    return {};
  }

  // The first views come from the agent's constructor, before there is an API to show them.
  void on_view(agent::AgentViewPtr view) {
    if (!api_open_) return;
    const bool serves = view->replica_ready && !view->leader.empty() && view->catalog.node(node_id_) != nullptr;
    api_.publish(std::move(view));
    if (serves && !std::exchange(told_, true)) tell_ready();
  }

  void tell_ready() {
    const auto http = api_.http_endpoints();
    const auto dns = api_.dns_addresses();
    std::printf("meshd dev: ready; HTTP %s, DNS %s, data %s\n", http.empty() ? "off" : http[0].to_string().c_str(),
                dns.empty() ? "off" : dns[0].to_string().c_str(), data_->path().c_str());
    std::fflush(stdout);
  }

  // On the raft loop. The server acknowledges nothing any more; the process ends with the reason.
  void on_fatal(const Error& error) {
    LOG_ERROR("the server's store failed; ending", {"why", error});
    loop_.post([this, error] {
      fatal_ = error;
      loop_.stop();
    });
  }

  void stop() {
    api_.stop();
    agent_.reset();
    channel_.reset();
    Mailbox<bool> stopped(1);
    raft_.loop().post([this, &stopped] { server_->stop([&stopped] { (void)stopped.push(true); }); });
    std::vector<bool> done;
    if (!stopped.wait_until(done, mono_now() + kServerStopMax)) LOG_WARN("the server did not stop in time");
    raft_.stop();
    listener_.reset();
    server_.reset();
    signals_.clear();
  }

  model::Config config_;
  std::optional<TempDir> data_;
  MetricRegistry metrics_;
  Rng rng_ = random_rng();
  net::Loop loop_;
  LoopThread raft_;
  ApiLoop api_;
  std::unique_ptr<server::Server> server_;
  std::unique_ptr<net::LocalRpcListener> listener_;
  std::unique_ptr<net::RpcChannel> channel_;
  std::unique_ptr<agent::Agent> agent_;
  std::vector<std::unique_ptr<net::SignalWatcher>> signals_;
  model::NodeId node_id_;
  Status fatal_;
  bool api_open_ = false;
  bool told_ = false;
};

Status set_log(const model::Config& config) {
  MESH_TRY(level, parse_log_level(config.log_level));
  MESH_TRY(format, parse_log_format(config.log_format));
  set_log_level(level);
  set_log_format(format);
  send_contained_faults_to_log();
  return {};
}

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
