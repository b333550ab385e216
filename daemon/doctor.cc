#include "daemon/doctor.h"

#include <algorithm>
#include <utility>

#include "agent/doctor/findings.h"
#include "agent/doctor/look.h"
#include "daemon/mesh_part.h"

namespace mesh::daemon {
namespace {

using net::PortProtocol;

model::Diagnosis diagnose(agent::DoctorFacts facts) {
  agent::look_at_host(facts);
  model::Diagnosis diagnosis;
  diagnosis.findings = agent::findings_of(facts);
  diagnosis.node = std::move(facts.node);
  return diagnosis;
}

void add_port(const DoctorSources& from, agent::DoctorFacts& to, std::string key, std::int32_t port, PortProtocol protocol) {
  const auto bind = net::IpAddress::parse(from.config.bind);
  if (port <= 0 || !bind.ok()) return;
  to.ports.push_back({.key = std::move(key), .protocol = protocol, .where = {*bind, static_cast<std::uint16_t>(port)}});
}

void add_ports(const DoctorSources& from, agent::DoctorFacts& to) {
  for (const net::Endpoint& endpoint : from.http)
    if (!endpoint.is_unix()) to.ports.push_back({.key = "ports.http", .protocol = PortProtocol::Tcp, .where = endpoint.address()});
  for (const net::Address& address : from.dns)
    for (const PortProtocol protocol : {PortProtocol::Udp, PortProtocol::Tcp})
      to.ports.push_back({.key = "ports.dns", .protocol = protocol, .where = address});
  if (from.mesh == nullptr) return;
  add_port(from, to, "ports.mesh", from.config.ports.mesh, PortProtocol::Tcp);
  for (const PortProtocol protocol : {PortProtocol::Udp, PortProtocol::Tcp})
    add_port(from, to, "ports.gossip", from.config.ports.gossip, protocol);
  if (from.server) add_port(from, to, "ports.rpc", from.config.ports.rpc, PortProtocol::Tcp);
}

// Where the mesh dials; nothing for an instance that is on another host.
std::optional<net::IpAddress> dialled(const model::Config& config, const model::ServiceInstance& instance) {
  if (instance.address.empty()) return net::IpAddress::loopback();
  const auto ip = net::IpAddress::parse(instance.address);
  if (!ip.ok()) return std::nullopt;
  const bool own = ip->is_loopback() || instance.address == config.bind || instance.address == config.advertise;
  return own ? std::optional(*ip) : std::nullopt;
}

void add_services(const DoctorSources& from, agent::DoctorFacts& to) {
  for (const auto& [id, service] : from.view.local.services()) {
    const auto ip = dialled(from.config, service.instance);
    if (!ip) continue;
    for (const model::ServicePort& port : service.instance.ports)
      if (port.port != 0) to.services.push_back({.id = id, .where = {*ip, port.port}});
    if (service.instance.ports.empty() && service.instance.port != 0)
      to.services.push_back({.id = id, .where = {*ip, service.instance.port}});
  }
}

agent::ServersFact servers_fact(const DoctorSources& from, MonoTime now) {
  agent::ServersFact servers;
  servers.connected = from.view.connected;
  servers.leader = from.view.leader;
  servers.link = from.link;
  if (from.mesh != nullptr) servers.addresses = from.mesh->servers();
  if (from.view.replica_ready) servers.age = std::max(now - from.view.fresh_at, Duration{});
  return servers;
}

agent::SteeringFact steering_fact(const MeshPart& mesh) {
  const Steering steering = mesh.steering();
  return {.mode = std::string(steering_mode_name(steering.mode)),
          .best = steering.mode == SteeringMode::SkLookup && steering.hint.empty(),
          .settled = steering.settled,
          .dns = mesh.steers_dns(),
          .reason = steering.reason,
          .hint = steering.hint};
}

agent::DnsFact dns_fact(const DoctorSources& from) {
  const model::Node& node = from.view.local.node();
  agent::DnsFact dns;
  dns.name = fmt::format("{}.node.{}", node.name, from.view.domain);
  dns.expected = node.address;
  dns.domain = from.view.domain;
  dns.forwards = !from.config.recursors.empty();
  if (!from.dns.empty()) {
    net::Address address = from.dns.front();
    if (address.ip.is_any()) address.ip = net::IpAddress::loopback();
    dns.server = address.to_string();
  }
  return dns;
}

}  // namespace

agent::DoctorFacts facts_from(const DoctorSources& from, MonoTime now) {
  agent::DoctorFacts facts;
  facts.node = from.view.local.node().name;
  facts.servers = servers_fact(from, now);
  add_ports(from, facts);
  add_services(from, facts);
  facts.clock_ahead = from.view.clock_ahead;
  if (from.mesh == nullptr) return facts;
  facts.certificates = from.mesh->certificates();
  facts.steering = steering_fact(*from.mesh);
  facts.dns = dns_fact(from);
  facts.data_dir.emplace().path = from.config.data_dir;
  return facts;
}

void Doctor::examine(agent::ExamineDone done) {
  if (waiting_.size() >= kDoctorWaitersMax)
    return loop_.defer([done = std::move(done)]() mutable { done(error(Code::Overloaded, "{} wait for the doctor already", kDoctorWaitersMax)); });
  waiting_.push_back(std::move(done));
  if (waiting_.size() > 1) return;
  if (worker_ == nullptr) worker_ = std::make_unique<net::BlockingWorker>(loop_.ref(), "doctor");
  worker_->run([facts = gather_()]() mutable { return diagnose(std::move(facts)); },
               [this](const model::Diagnosis& diagnosis) {
                 for (auto& waiter : std::exchange(waiting_, {})) waiter(diagnosis);
               });
}

}  // namespace mesh::daemon
