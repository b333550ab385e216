#include "daemon/api_loop.h"

#include <grp.h>

#include <array>
#include <optional>

#include "agent/dns/catalog_zone.h"
#include "base/file.h"
#include "base/mailbox.h"

namespace mesh::daemon {
namespace {

constexpr Duration kDrainMax = seconds(1);
constexpr std::size_t kHttpConnectionsMax = 10'000;  // a blocking query holds one

Result<dns::Settings> dns_settings(const model::Config& config) {
  dns::Settings settings;
  MESH_TRY(domain, dns::Name::from_text(config.domain).context("domain"));
  settings.domains.push_back(std::move(domain));
  settings.datacenter = config.datacenter;
  settings.node = config.node;
  settings.node_ttl = config.node_ttl;
  settings.service_ttl = config.service_ttl;
  settings.only_passing = config.only_passing;
  return settings;
}

// Members of the group "mesh" may write through the socket, if this host has one.
std::optional<gid_t> trusted_group() {
  group entry{};
  group* found = nullptr;
  std::array<char, 16 * 1024> buffer{};
  if (getgrnam_r("mesh", &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) return std::nullopt;
  return found->gr_gid;
}

Result<net::Address> recursor(const std::string& text) {
  if (auto address = net::Address::parse(text); address.ok()) return address;
  MESH_TRY(ip, net::IpAddress::parse(text).context("dns.recursors"));
  return net::Address{ip, 53};
}

}  // namespace

ApiLoop::ApiLoop(MetricRegistry& metrics) : metrics_(metrics), thread_("api") {}

ApiLoop::~ApiLoop() { stop(); }

Status ApiLoop::open(const model::Config& config, std::unique_ptr<net::RpcChannel> servers, agent::Agent& agent,
                     net::Loop& agent_loop, agent::Examine examine, Rng rng) {
  channel_ = std::move(servers);
  servers_ = std::make_unique<agent::ServerClient>(loop(), *channel_, rng.fork());
  control_ = std::make_unique<agent::AgentHandle>(loop(), agent_loop, agent);
  api_ = std::make_unique<agent::HttpApi>(
      loop(), *control_, *servers_, rng.fork(),
      agent::ApiOptions{.metrics = &metrics_,
                        .access = {.trusted_group = trusted_group(), .domain = config.domain},
                        .examine = std::move(examine)});
  MESH_TRY_STATUS(open_http(config));
  return open_dns(config, rng.next());
}

Status ApiLoop::open_http(const model::Config& config) {
  net::Http1Limits limits;
  limits.connections_max = kHttpConnectionsMax;
  http_ = std::make_unique<net::Http1Server>(loop(), *api_, limits);
  // Read by this very server, when it answers /metrics.
  metrics_.gauge_function({"meshd_http_connections", "Open connections of clients of the HTTP API"},
                          [this] { return static_cast<double>(http_->connections()); });
  metrics_.counter_function({"meshd_http_malformed_total", "HTTP requests refused before any route: malformed, too large, too slow"},
                            [this] { return static_cast<double>(http_->refused_total()); });
  MESH_TRY_STATUS(open_http_socket(config));
  if (config.ports.http == model::kPortOff) return {};
  MESH_TRY(ip, net::IpAddress::parse(config.client).context("client"));
  return http_->listen(net::Endpoint(ip, static_cast<std::uint16_t>(config.ports.http)))
      .context("while opening the HTTP API (ports.http, --http-port)");
}

// Everyone on this host may connect; the kernel says who it is, and access.h what that allows.
Status ApiLoop::open_http_socket(const model::Config& config) {
  if (config.run_dir.empty()) return {};
  MESH_TRY_STATUS(make_dirs(config.run_dir, 0755));
  net::ListenOptions options;
  options.unix_mode = 0666;
  return http_->listen(net::Endpoint(net::UnixPath{config.run_dir + "/agent.sock"}), options)
      .context("while opening the HTTP API's socket (run_dir)");
}

Status ApiLoop::open_dns(const model::Config& config, std::uint64_t seed) {
  MESH_TRY(settings, dns_settings(config));
  dns_ = std::make_unique<dns::Server>(loop(), settings, dns::ServerOptions{.seed = seed, .metrics = &metrics_});
  if (config.ports.dns == model::kPortOff) return {};
  MESH_TRY(ip, net::IpAddress::parse(config.client).context("client"));
  MESH_TRY_STATUS(dns_->listen({ip, static_cast<std::uint16_t>(config.ports.dns)})
                      .context("while opening DNS (ports.dns, --dns-port)"));
  if (config.recursors.empty()) return {};
  dns::ForwarderOptions forwarder;
  for (const auto& text : config.recursors) {
    MESH_TRY(address, recursor(text));
    forwarder.recursors.push_back(address);
  }
  return dns_->configure(settings, forwarder);
}

void ApiLoop::publish(agent::AgentViewPtr view) {
  loop().post([this, view = std::move(view)] {
    if (view->replica_ready) dns_->set_zone(std::make_shared<dns::CatalogZone>(view->catalog));
    api_->publish(view);
  });
}

void ApiLoop::answer_steered_through(UniqueFd raw) {
  loop().post([this, raw = std::move(raw)]() mutable { dns_->answer_steered_through(std::move(raw)); });
}

void ApiLoop::stop() {
  if (http_ == nullptr) return;
  Mailbox<bool> drained(1);
  loop().post([this, &drained] {
    dns_->stop_listening();
    api_->release_waiting();
    http_->stop(loop().now() + kDrainMax, [&drained] { (void)drained.push(true); });
  });
  std::vector<bool> done;
  if (thread_.running()) (void)drained.wait_until(done, loop().now() + kDrainMax * 2);
  thread_.stop();
  dns_.reset();
  http_.reset();
  api_.reset();
  control_.reset();
  servers_.reset();
  channel_.reset();
}

}  // namespace mesh::daemon
