#include "daemon/mesh_part.h"

#include <unistd.h>

#include <algorithm>

namespace mesh::daemon {
namespace {

std::size_t worker_count() {
  const long cores = sysconf(_SC_NPROCESSORS_ONLN);
  return std::clamp<std::size_t>(cores < 1 ? 1 : static_cast<std::size_t>(cores), 1, kProxyWorkersMax);
}

}  // namespace

MeshPart::MeshPart(net::Loop& loop, net::HandshakePool& pool, MetricRegistry& metrics)
    : loop_(loop), pool_(pool), metrics_(metrics) {}

Status MeshPart::open(Options options, net::RpcChannel& servers, net::BlockingWorker& disk, Rng rng) {
  datacenter_ = options.node.record.datacenter;
  trust_domain_ = agent::trust_domain_of(options.node.record);
  on_identities_ = std::move(options.on_identities);

  MESH_TRY(bind, net::IpAddress::parse(options.config.bind).context("bind"));
  std::vector<net::Loop*> loops;
  for (std::size_t i = 0; i < worker_count(); ++i) loops.push_back(&workers_.emplace_back(fmt::format("proxy-{}", i)).loop());
  MESH_TRY(proof, KernelCallerProof::open(loops));
  proof_ = std::move(proof);
  proxy::ProxyOptions proxy_options;
  proxy_options.inbound = net::Endpoint(bind, static_cast<std::uint16_t>(options.config.ports.mesh));
  MESH_TRY(host, agent::KernelHostView::open());
  callers_ = std::make_unique<agent::CallerWatch>(loop_, std::move(host), metrics_, [this] { publish(); });
  proxy_ = std::make_unique<proxy::Proxy>(loops, proxy_options, pool_, *proof_, metrics_);
  MESH_TRY_STATUS(proxy_->start().context("while opening the mesh port (ports.mesh, --mesh-port)"));

  steer(options);
  const bool server = options.node.record.kind == model::JoinKind::Server;
  keeper_ = std::make_unique<agent::CertificateKeeper>(
      loop_, servers, disk, metrics_, std::move(rng),
      agent::CertificateKeeper::Options{.files = std::move(options.files),
                                        .node = std::move(options.node),
                                        .on_change =
                                            [this](const agent::IdentitiesPtr& identities) {
                                              on_identities_(*identities);
                                              publish();
                                            },
                                        .on_servers = std::move(options.on_servers),
                                        .own_server = server});
  on_identities_(*keeper_->identities());
  for (LoopThread& worker : workers_) worker.start();
  return {};
}

void MeshPart::steer(Options& options) {
  SteerClient::Options client;
  client.socket_path = options.config.run_dir + "/steer.sock";
  client.on_dns_answers = std::move(options.on_dns_answers);
  steer_ = std::make_unique<SteerClient>(loop_, std::move(client));
  dns_ = options.dns;
  steer_->hand_over({.listeners = proxy_->outbound_descriptors(), .dns_udp = dns_.udp, .dns_tcp = dns_.tcp});
}

bool MeshPart::steers_dns() const {
  const steer::Answer& answer = steer_->state().answer;
  return answer.dns_udp && (answer.mode == steer::Mode::Nftables || answer.dns_answers);
}

void MeshPart::update(const agent::AgentViewPtr& view) {
  view_ = view;
  if (keeper_ == nullptr) return;
  callers_->update(view->local);
  keeper_->update(*view);
  publish();
}

void MeshPart::publish() {
  if (view_ == nullptr || !view_->replica_ready) return;
  auto next = feed_.update({.catalog = view_->catalog,
                            .local = view_->local,
                            .datacenter = datacenter_,
                            .trust_domain = trust_domain_,
                            .identities = keeper_->identities(),
                            .processes = callers_->rules()});
  if (next == published_) return;
  published_ = next;
  proxy_->publish(std::move(next));
}

void MeshPart::drain(MonoTime deadline, UniqueFunction<void()> on_drained) {
  // The workers' listeners are about to close: a helper that comes now must not be given what their numbers mean then.
  steer_->hand_over({.listeners = {}, .dns_udp = dns_.udp, .dns_tcp = dns_.tcp});
  proxy_->drain(deadline, loop_.ref(), std::move(on_drained));
}

void MeshPart::stop() {
  steer_.reset();
  keeper_.reset();
  callers_.reset();
  for (LoopThread& worker : workers_) worker.stop();
  proxy_.reset();
  workers_.clear();
}

}  // namespace mesh::daemon
