#include "agent/identity/certificate_keeper.h"

#include <algorithm>
#include <limits>

#include "agent/identity/join.h"
#include "agent/identity/service_file.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "model/names.h"
#include "net/blocking_worker.h"
#include "net/crypto.h"
#include "net/loop.h"
#include "net/tls/certificate.h"

namespace mesh::agent {
namespace {

constexpr std::string_view kNode{};  // subject
constexpr Duration kRenewalServerTimeMax = seconds(3);

double unix_seconds(WallTime time) { return std::chrono::duration<double>(time.time_since_epoch()).count(); }

struct MadeRequest {
  std::string key_pem;
  Bytes csr;
};

// On the disk thread. An empty key: a new one.
Result<MadeRequest> make_request(std::string key_pem) {
  if (key_pem.empty()) key_pem = net::make_key_pem();
  MESH_TRY(csr, net::make_csr(key_pem));
  return MadeRequest{std::move(key_pem), std::move(csr)};
}

}  // namespace

// One certificate on its way: make_request, sign, keep. The answer comes once, through the keeper.
class CertificateKeeper::Order {
 public:
  Order(CertificateKeeper& keeper, std::string subject) : keeper_(keeper), subject_(std::move(subject)) {}

  void start() {
    if (subject_ == kNode && keeper_.needs_join()) return renew_expired();
    const std::string key = subject_ == kNode ? keeper_.options_.node.key_pem : std::string();
    keeper_.disk_.run([key] { return make_request(key); },
                      [this, alive = std::weak_ptr(alive_)](Result<MadeRequest> made) {
                        if (!alive.expired()) sign(std::move(made));
                      });
  }

 private:
  // The channel cannot be used with it: over the Join call, which knows the node by its key. Seldom, so that it may hold
  // the disk thread up for the time of that call.
  void renew_expired() {
    keeper_.disk_.run([renew = keeper_.options_.renew, files = keeper_.options_.files] { return renew(files); },
                      [this, alive = std::weak_ptr(alive_)](Loaded renewed) {
                        if (!alive.expired()) finish(std::move(renewed));
                      });
  }

  void sign(Result<MadeRequest> made) {
    if (!made.ok()) return finish(std::move(made).error());
    key_pem_ = std::move(made->key_pem);
    model::SignRequest request;
    request.service = subject_;
    request.csr = std::move(made->csr);
    request.node_id = model::NodeId(keeper_.options_.node.record.node_id);
    keeper_.servers_.sign(std::move(request), keeper_.loop_.now() + kSignTimeout,
                          [this, alive = std::weak_ptr(alive_)](Result<model::SignResponse> response) {
                            if (!alive.expired()) keep(std::move(response));
                          });
  }

  void keep(Result<model::SignResponse> response) {
    if (!response.ok()) return finish(std::move(response).error());
    response_ = std::move(response).value();
    const NodeFiles& files = keeper_.options_.files;
    const IdentityFile file{.path = subject_ == kNode ? files.certificate_path() : files.service_path(subject_),
                            .uri = keeper_.uri_of(subject_),
                            .with_key = subject_ != kNode};
    NewIdentity made{.chain_pem = response_.certificate, .key_pem = std::move(key_pem_), .root_pems = {}};
    for (const model::CaRoot& root : response_.roots) made.root_pems.push_back(root.certificate);
    keeper_.disk_.run([file, made = std::move(made)] { return write_identity(file, made); },
                      [this, alive = std::weak_ptr(alive_)](Loaded kept) {
                        if (!alive.expired()) finish(std::move(kept));
                      });
  }

  // The keeper takes this order out of its list.
  void finish(Loaded result) { keeper_.on_ordered(subject_, std::move(result), response_); }

  CertificateKeeper& keeper_;
  std::string subject_;
  std::string key_pem_;
  model::SignResponse response_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

CertificateKeeper::CertificateKeeper(net::Loop& loop, net::RpcChannel& channel, net::BlockingWorker& disk,
                                     MetricRegistry& metrics, Rng rng, Options options)
    : loop_(loop),
      disk_(disk),
      options_(std::move(options)),
      servers_(loop, channel, rng.fork()),
      plan_(rng.fork()),
      trust_(options_.node.trust),
      local_revision_(std::numeric_limits<std::uint64_t>::max()),
      requests_(metrics.counter({.name = "meshd_certificate_requests_total", .help = "Certificates asked for."})),
      failures_(metrics.counter({.name = "meshd_certificate_failures_total",
                                 .help = "Certificates that could not be had; they are asked for again."})),
      issued_at_(metrics.gauges({.name = "meshd_certificate_valid_from_seconds",
                                 .help = "Unix time from which the certificate is valid; no service: the node's own.",
                                 .labels = {"service"}})),
      expires_at_(metrics.gauges({.name = "meshd_certificate_expires_seconds",
                                  .help = "Unix time at which the certificate expires; no service: the node's own.",
                                  .labels = {"service"}})),
      timer_(loop, [this] { on_timer(); }) {
  entries_[std::string(kNode)];
  hold(std::string(kNode), options_.node.identity);
  publish();
  publish_due_ = false;
}

CertificateKeeper::~CertificateKeeper() = default;

Result<std::shared_ptr<const net::TlsIdentity>> renew_by_join(const NodeFiles& files) {
  MESH_TRY(renewed, renew_node(files, kRenewalServerTimeMax));
  MESH_TRY(node, files.read());
  return node.identity;
}

bool CertificateKeeper::node_expired() const {
  return entries_.find(std::string(kNode))->second.identity->leaf().not_after <= wall_now();
}

bool CertificateKeeper::needs_join() {
  if (!node_expired()) return false;
  return !options_.own_server || !std::exchange(own_server_next_, !own_server_next_);
}

TwoClocks CertificateKeeper::now() const { return {.mono = loop_.now(), .wall = wall_now()}; }

std::string CertificateKeeper::uri_of(const std::string& subject) const {
  if (subject == kNode) return node_spiffe_id(options_.node.record).uri();
  model::SpiffeId id;
  id.kind = model::SpiffeId::Kind::Service;
  id.trust_domain = trust_domain_of(options_.node.record);
  id.datacenter = options_.node.record.datacenter;
  id.name = subject;
  return id.uri();
}

// --- what is wanted

void CertificateKeeper::update(const AgentView& view) {
  if (view.local.revision() != local_revision_) take_services(view);
  if (view.connected) {
    take_placement(view);
    take_roots(view);
    take_server_rows(view);
  }
  arm();
}

void CertificateKeeper::take_services(const AgentView& view) {
  const bool first = local_revision_ == std::numeric_limits<std::uint64_t>::max();
  local_revision_ = view.local.revision();
  std::set<std::string> wanted;
  for (const auto& [id, service] : view.local.services()) {
    if (model::is_mesh_name(service.instance.name)) wanted.insert(model::fold_name(service.instance.name));
  }
  std::vector<std::string> gone;
  for (const auto& [subject, entry] : entries_) {
    if (subject != kNode && !wanted.contains(subject)) gone.push_back(subject);
  }
  for (const std::string& service : gone) drop(service);
  for (const std::string& service : wanted) add(service);
  if (first) drop_stray_files(std::move(wanted));
}

void CertificateKeeper::add(const std::string& service) {
  if (entries_.contains(service)) return;
  if (entries_.size() > kServiceIdentitiesMax) {
    if (!std::exchange(too_many_told_, true))
      LOG_WARN("too many services on this node: some get no certificate and take no part in the mesh",
               {"most", kServiceIdentitiesMax}, {"first_without", service});
    return;
  }
  Entry& entry = entries_[service];
  entry.mark = next_mark_++;
  const IdentityFile file{.path = options_.files.service_path(service), .uri = uri_of(service), .with_key = true};
  disk_.run([file, trust = trust_, wall = wall_now()] { return read_identity(file, *trust, wall); },
            [this, service, mark = entry.mark, alive = std::weak_ptr(alive_)](Loaded loaded) {
              if (!alive.expired()) on_loaded(service, mark, std::move(loaded));
            });
}

void CertificateKeeper::on_loaded(const std::string& service, std::uint64_t mark, Loaded loaded) {
  const auto found = entries_.find(service);
  if (found == entries_.end() || found->second.mark != mark) return;  // gone meanwhile
  if (loaded.ok()) {
    hold(service, std::move(loaded).value());
    return changed();
  }
  if (loaded.error().code != Code::NotFound)
    LOG_WARN("a kept certificate is of no use; a new one is asked for", {"service", service}, {"why", loaded.error()});
  unplaced_.insert(service);
}

void CertificateKeeper::drop(const std::string& service) {
  const bool published = entries_.find(service)->second.identity != nullptr;
  entries_.erase(service);
  unplaced_.erase(service);
  plan_.drop(service);
  if (const auto order = orders_.find(service); order != orders_.end()) {
    loop_.destroy_later(std::move(order->second));
    orders_.erase(order);
  }
  issued_at_.remove({service});
  expires_at_.remove({service});
  disk_.run([path = options_.files.service_path(service)] { return remove_tree(path); }, [](const Status&) {});
  if (published) changed();
}

// Files of services that went while the agent was not running.
void CertificateKeeper::drop_stray_files(std::set<std::string> keep) {
  disk_.run([folder = options_.files.service_folder(), keep = std::move(keep)] { return remove_other_identities(folder, keep); },
            [](const Status& status) {
              if (!status.ok()) LOG_WARN("old certificates could not be removed", {"why", status.error()});
            });
}

// Servers sign what the catalog shows on this node.
void CertificateKeeper::take_placement(const AgentView& view) {
  if (unplaced_.empty()) return;
  for (const model::ServiceInstance* instance : view.catalog.instances_on(options_.node.record.node_id)) {
    const std::string service = model::fold_name(instance->name);
    if (unplaced_.erase(service) > 0) plan_.want(service);
  }
}

// From a server only: a catalog from the disk may be older than the roots there.
void CertificateKeeper::take_roots(const AgentView& view) {
  if (view.catalog.roots_index() == roots_index_ || view.catalog.roots().empty()) return;
  roots_index_ = view.catalog.roots_index();
  std::vector<model::CaRoot> roots;
  std::vector<std::string> pems;
  for (const model::CaRoot* root : view.catalog.roots()) {
    roots.push_back(*root);
    pems.push_back(root->certificate);
  }
  auto trust = net::TrustBundle::from_pem(pems);
  if (!trust.ok()) {
    LOG_ERROR("the catalog's roots cannot be read; those before stay trusted", {"why", trust.error()});
    return;
  }
  trust_ = std::move(trust).value();
  disk_.run([files = options_.files, roots = std::move(roots)] { return files.write_roots(roots); },
            [](const Status& status) {
              if (!status.ok()) LOG_WARN("the trusted roots could not be kept on disk", {"why", status.error()});
            });
  changed();
}

// Where the servers are, as the catalog says; kept for a start without any.
void CertificateKeeper::take_server_rows(const AgentView& view) {
  if (view.catalog.servers_index() == servers_index_) return;
  servers_index_ = view.catalog.servers_index();
  std::vector<std::string> servers;
  for (const model::Server* server : view.catalog.servers()) {
    if (!server->address.empty()) servers.push_back(server->address);
  }
  take_servers(servers);
}

// --- asking

void CertificateKeeper::on_timer() {
  for (const std::string& subject : plan_.take_due(now())) order(subject);
  const bool due = std::exchange(publish_due_, false);
  arm();
  if (!due) return;
  publish();
  options_.on_change(published_);
}

// What was changed is published from the timer: never from inside update(), and once for what changes together.
void CertificateKeeper::arm() { timer_.start_at(publish_due_ ? loop_.now() : plan_.next_deadline(now())); }

void CertificateKeeper::order(const std::string& subject) {
  requests_.add();
  Order& order = *(orders_[subject] = std::make_unique<Order>(*this, subject));
  order.start();
}

void CertificateKeeper::on_ordered(const std::string& subject, Loaded result, const model::SignResponse& response) {
  const auto order = orders_.find(subject);
  if (result.ok()) {
    LOG_INFO("certificate received", {"service", subject}, {"serial", (*result)->leaf().serial},
             {"expires_in", (*result)->leaf().not_after - wall_now()});
    take_servers(response.servers);
    hold(subject, std::move(result).value());
    changed();
  } else {
    failures_.add();
    Entry& entry = entries_.find(subject)->second;
    entry.failure = result.error().message;
    const auto& held = entry.identity;
    LOG_WARN("no certificate; it is asked for again", {"service", subject}, {"why", result.error()},
             {"present_one_expires_in", held == nullptr ? Duration{} : held->leaf().not_after - wall_now()});
    plan_.on_failed(now(), subject);
    arm();
  }
  loop_.destroy_later(std::move(order->second));
  orders_.erase(order);
}

void CertificateKeeper::take_servers(const std::vector<std::string>& servers) {
  NodeRecord& record = options_.node.record;
  if (servers.empty() || servers == record.servers) return;
  record.servers = servers;
  disk_.run([files = options_.files, record] { return files.write_record(record); },
            [](const Status& status) {
              if (!status.ok()) LOG_WARN("the servers' addresses could not be kept on disk", {"why", status.error()});
            });
  if (options_.on_servers) options_.on_servers(record.servers);
}

void CertificateKeeper::hold(const std::string& subject, std::shared_ptr<const net::TlsIdentity> identity) {
  const net::CertificateInfo& leaf = identity->leaf();
  plan_.on_certificate(now(), subject, {.not_before = leaf.not_before, .not_after = leaf.not_after});
  issued_at_.with({subject}).set(unix_seconds(leaf.not_before));
  expires_at_.with({subject}).set(unix_seconds(leaf.not_after));
  Entry& entry = entries_.find(subject)->second;
  entry.failure.clear();
  entry.identity = std::move(identity);
}

std::vector<CertificateFact> CertificateKeeper::certificates() const {
  std::vector<CertificateFact> out;
  for (const auto& [subject, entry] : entries_) {
    CertificateFact& fact = out.emplace_back();
    fact.service = subject;
    fact.failure = entry.failure;
    if (entry.identity == nullptr) continue;
    fact.not_before = entry.identity->leaf().not_before;
    fact.not_after = entry.identity->leaf().not_after;
  }
  return out;
}

void CertificateKeeper::changed() {
  publish_due_ = true;
  arm();
}

void CertificateKeeper::publish() {
  auto next = std::make_shared<proxy::Identities>();
  next->trust = trust_;
  for (const auto& [subject, entry] : entries_) {
    if (entry.identity == nullptr) continue;
    if (subject == kNode) next->node = entry.identity;
    else next->services[subject] = entry.identity;
  }
  published_ = std::move(next);
}

}  // namespace mesh::agent
