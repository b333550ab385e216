#include "agent/doctor/findings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "agent/identity/join.h"
#include "base/time_text.h"

namespace mesh::agent {
namespace {

using model::Finding;
using model::FindingLevel;
using Findings = std::vector<Finding>;

constexpr std::string_view kSteeredDns = "127.128.0.53";
constexpr std::string_view kResolvedStub = "127.0.0.53";

struct Place {
  std::string_view check;
  std::string where;
};

Finding make(FindingLevel level, Place place, std::string what, std::string fix) {
  Finding finding;
  finding.level = level;
  finding.check = place.check;
  finding.where = std::move(place.where);
  finding.what = std::move(what);
  finding.fix = std::move(fix);
  return finding;
}

Finding ok(Place place, std::string what) { return make(FindingLevel::Ok, std::move(place), std::move(what), {}); }
Finding warning(Place place, std::string what, std::string fix) {
  return make(FindingLevel::Warning, std::move(place), std::move(what), std::move(fix));
}
Finding fault(Place place, std::string what, std::string fix) {
  return make(FindingLevel::Error, std::move(place), std::move(what), std::move(fix));
}

std::string rounded(Duration duration) { return format_duration(std::chrono::duration_cast<seconds>(duration)); }

std::string mebibytes(std::uint64_t bytes) { return fmt::format("{} MiB", bytes >> 20); }

// --- one function for each check

Finding of_port(const PortFact& port) {
  const std::string_view protocol = port.protocol == net::PortProtocol::Tcp ? "tcp" : "udp";
  Place place{"ports", fmt::format("{} {} ({})", protocol, port.where.to_string(), port.key)};
  if (port.ours) return ok(std::move(place), "this agent listens");
  if (port.owner.empty()) return fault(std::move(place), "nobody listens", "restart the agent; its log says why it does not");
  return fault(std::move(place), fmt::format("{} holds it", port.owner),
               fmt::format("stop {}, or set {} in meshd.yaml, and restart the agent", port.owner, port.key));
}

Finding of_clock(Duration ahead) {
  Place place{"clock", "this host"};
  if (const std::string off = clock_warning(ahead); !off.empty())
    return warning(std::move(place), off.substr(0, off.find(';')), "timedatectl set-ntp true; certificates are judged by the clock");
  return ok(std::move(place), fmt::format("{} ms from the servers'", std::abs(duration_cast<milliseconds>(ahead).count())));
}

Finding of_servers(const ServersFact& servers) {
  const std::string_view nowhere = servers.connected ? "in this process" : "none known";  // as `meshd dev` has it; before the first word of one
  Place place{"servers", servers.addresses.empty() ? std::string(nowhere) : fmt::format("{}", fmt::join(servers.addresses, ", "))};
  const std::string age = servers.age ? fmt::format("the catalog is {} old", rounded(*servers.age)) : "there is no catalog yet";
  if (!servers.connected)
    return fault(std::move(place), fmt::format("none is reached ({}); {}", servers.link, age),
                 "check that meshd-server runs there and that its port is open from here; names and traffic go on from what is known");
  if (servers.leader.empty())
    return fault(std::move(place), fmt::format("a server answers but there is no leader; {}", age),
                 "most of the servers must run and reach each other: 'meshctl cluster status' on each");
  if (!servers.age || *servers.age > kCatalogAgeWarning)
    return warning(std::move(place), age, "the servers are slow or overloaded: look at their log");
  return ok(std::move(place), fmt::format("reached, {} leads", servers.leader));
}

Finding of_certificate(const CertificateFact& held, WallTime now) {
  Place place{"certificates", held.service.empty() ? std::string("this node") : fmt::format("service {}", held.service)};
  const std::string failed = held.failure.empty() ? std::string() : fmt::format("; the last renewal failed: {}", held.failure);
  if (!held.not_after)
    return warning(std::move(place), fmt::format("there is none{}", failed),
                   "without one the service takes no part in the mesh; it comes when a server answers and the node's token allows the service");
  const Duration left = *held.not_after - now;
  const std::string fix = "certificates are renewed by the servers: mend what 'servers' says; it is tried again by itself";
  if (left <= Duration{}) return fault(std::move(place), fmt::format("expired {} ago{}", rounded(-left), failed), fix);
  if (now < *held.not_before)
    return fault(std::move(place), fmt::format("valid only in {}", rounded(*held.not_before - now)), "this host's clock is behind: set it");
  const bool late = left < (*held.not_after - *held.not_before) / 2;
  if (late || !held.failure.empty()) return warning(std::move(place), fmt::format("expires in {}{}", rounded(left), failed), fix);
  return ok(std::move(place), fmt::format("expires in {}", rounded(left)));
}

Finding of_steering(const SteeringFact& steering) {
  Place place{"steering", steering.mode};
  if (!steering.settled) return warning(std::move(place), steering.reason, "ask again in a moment");
  if (steering.best) return ok(std::move(place), steering.reason);
  return warning(std::move(place), steering.reason, steering.hint.empty() ? "'meshd-steer status' says more" : steering.hint);
}

std::string recursor_hint(const DnsFact& dns) {
  if (dns.forwards) return {};
  std::vector<std::string> others;
  for (const std::string& resolver : dns.resolvers)
    if (resolver != kSteeredDns) others.push_back(resolver);
  return fmt::format(", with 'dns: {{recursors: [{}]}}' in meshd.yaml for all other names",
                     others.empty() ? std::string("ADDRESS OF YOUR RESOLVER") : fmt::format("{}", fmt::join(others, ", ")));
}

// ADDRESS#PORT
std::string for_dnsmasq(std::string server) {
  if (const auto colon = server.rfind(':'); colon != server.npos) server[colon] = '#';
  return server;
}

// The line to add, by what the host has.
std::string resolver_fix(const DnsFact& dns, bool steered) {
  const bool resolved = std::find(dns.resolvers.begin(), dns.resolvers.end(), kResolvedStub) != dns.resolvers.end();
  if (resolved && !dns.server.empty())
    return fmt::format("put '[Resolve]', 'DNS={}' and 'Domains=~{}' into /etc/systemd/resolved.conf.d/mesh.conf, then "
                       "systemctl restart systemd-resolved", dns.server, dns.domain);
  if (steered) return fmt::format("put 'nameserver {}' first into /etc/resolv.conf{}", kSteeredDns, recursor_hint(dns));
  if (dns.server.empty()) return "this agent's DNS is off: set ports.dns in meshd.yaml";
  return fmt::format("mend steering first, then put 'nameserver {}' into /etc/resolv.conf; or let your resolver forward: "
                     "dnsmasq 'server=/{}/{}'", kSteeredDns, dns.domain, for_dnsmasq(dns.server));
}

Finding of_dns(const DnsFact& dns, bool steered) {
  Place place{"dns", "/etc/resolv.conf"};
  const std::string asked = dns.resolvers.empty() ? std::string("127.0.0.1") : fmt::format("{}", fmt::join(dns.resolvers, ", "));
  if (!dns.failure.empty())
    return fault(std::move(place), fmt::format("{} does not resolve by {}: {}", dns.name, asked, dns.failure), resolver_fix(dns, steered));
  if (std::find(dns.answers.begin(), dns.answers.end(), dns.expected) == dns.answers.end())
    return fault(std::move(place), fmt::format("{} is {} by {}, not {}", dns.name, fmt::join(dns.answers, ", "), asked, dns.expected),
                 fmt::format("somebody else answers for {}; {}", dns.domain, resolver_fix(dns, steered)));
  return ok(std::move(place), fmt::format("{} resolves by {}", dns.name, asked));
}

Finding of_data_dir(const DataDirFact& data) {
  Place place{"data", data.path};
  if (!data.failure.empty()) return fault(std::move(place), data.failure, "the agent keeps its state there: mend the disk or the mount");
  if (!data.trouble.empty()) return fault(std::move(place), data.trouble, fmt::format("chmod -R o-rwx {}", data.path));
  const std::string space = fmt::format("{} of {} free", mebibytes(data.bytes_free), mebibytes(data.bytes_total));
  const std::string fix = "make room there; a full disk refuses writes and keeps certificates from being renewed";
  if (data.bytes_free < kDiskFreeError) return fault(std::move(place), space, fix);
  if (data.bytes_free < kDiskFreeWarning) return warning(std::move(place), space, fix);
  return ok(std::move(place), space);
}

Finding of_service(const ServiceFact& service) {
  Place place{"services", service.id};
  if (service.listens) return ok(std::move(place), fmt::format("listens on {}", service.where.to_string()));
  return warning(std::move(place), fmt::format("registered, but nobody listens on {}", service.where.to_string()),
                 fmt::format("start it, register the address where it listens, or 'meshctl services deregister {}'", service.id));
}

}  // namespace

std::vector<Finding> findings_of(const DoctorFacts& facts) {
  Findings out;
  for (const PortFact& port : facts.ports) out.push_back(of_port(port));
  if (facts.data_dir) out.push_back(of_data_dir(*facts.data_dir));
  if (facts.clock_ahead) out.push_back(of_clock(*facts.clock_ahead));
  if (facts.servers) out.push_back(of_servers(*facts.servers));
  for (const CertificateFact& held : facts.certificates) out.push_back(of_certificate(held, facts.now));
  if (facts.steering) out.push_back(of_steering(*facts.steering));
  if (facts.dns) out.push_back(of_dns(*facts.dns, facts.steering && facts.steering->dns));
  for (const ServiceFact& service : facts.services) out.push_back(of_service(service));
  return out;
}

std::vector<std::string> nameservers_of(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  std::vector<std::string> out;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    constexpr std::string_view kWord = "nameserver";
    if (!line.starts_with(kWord) || line.size() == kWord.size() || kBlank.find(line[kWord.size()]) == line.npos) continue;
    line.remove_prefix(std::min(line.find_first_not_of(kBlank, kWord.size()), line.size()));
    const std::string_view address = line.substr(0, line.find_first_of(kBlank));
    if (!address.empty()) out.emplace_back(address);
  }
  return out;
}

}  // namespace mesh::agent
