#include "agent/doctor/findings.h"

#include "tests/test.h"

namespace mesh::agent {
namespace {

using model::Finding;
using model::FindingLevel;

const WallTime kNow{hours(24) * 365 * 50};

net::Address at(const char* text) { return net::Address::parse(text).value(); }

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// REQUIRES one finding.
Finding only(const DoctorFacts& facts) {
  const auto findings = findings_of(facts);
  REQUIRE_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].fix.empty(), findings[0].level == FindingLevel::Ok);  // no fault without a fix
  return findings[0];
}

TEST_CASE("a port is ours, nobody's, or another program's, which is named with the key to change") {
  DoctorFacts facts;
  facts.ports.push_back({.key = "ports.http", .where = at("127.0.0.1:8500"), .owner = "meshd (pid 7)", .ours = true});
  EXPECT_EQ(only(facts).level, FindingLevel::Ok);
  facts.ports[0].ours = false;
  facts.ports[0].owner = "nginx (pid 812)";
  const Finding taken = only(facts);
  EXPECT_EQ(taken.level, FindingLevel::Error);
  EXPECT_EQ(taken.what, "nginx (pid 812) holds it");
  EXPECT(has(taken.where, "tcp 127.0.0.1:8500"));
  EXPECT(has(taken.fix, "ports.http"));
  facts.ports[0].owner.clear();
  EXPECT_EQ(only(facts).what, "nobody listens");
}

TEST_CASE("a clock is told when it is more than half a minute off, either way") {
  DoctorFacts facts;
  facts.clock_ahead = seconds(30);
  EXPECT_EQ(only(facts).level, FindingLevel::Ok);
  facts.clock_ahead = seconds(31);
  EXPECT(has(only(facts).what, "31 s ahead"));
  facts.clock_ahead = -minutes(10);
  EXPECT_EQ(only(facts).level, FindingLevel::Warning);
  EXPECT(has(only(facts).what, "600 s behind"));
}

TEST_CASE("servers: unreachable and leaderless are errors, an old catalog is a warning") {
  DoctorFacts facts;
  facts.servers = ServersFact{.connected = true, .link = "", .leader = "10.0.0.11:8300", .addresses = {"10.0.0.11:8300"}, .age = seconds(1)};
  EXPECT_EQ(only(facts).level, FindingLevel::Ok);
  facts.servers->age = minutes(5);
  EXPECT_EQ(only(facts).level, FindingLevel::Warning);
  facts.servers->leader.clear();
  EXPECT_EQ(only(facts).level, FindingLevel::Error);
  EXPECT(has(only(facts).what, "no leader"));
  facts.servers->connected = false;
  facts.servers->link = "connection refused";
  EXPECT(has(only(facts).what, "connection refused"));
  EXPECT(has(only(facts).what, "5m0s old"));
  facts.servers->addresses.clear();
  EXPECT_EQ(only(facts).where, "none known");
  facts.servers->connected = true;  // as in `meshd dev`
  EXPECT_EQ(only(facts).where, "in this process");
}

TEST_CASE("certificates: expired is an error, late or failed renewal a warning") {
  DoctorFacts facts;
  facts.now = kNow;
  CertificateFact& held = facts.certificates.emplace_back();
  held.not_before = kNow - hours(24);
  held.not_after = kNow + hours(6 * 24);
  EXPECT_EQ(only(facts).level, FindingLevel::Ok);
  held.failure = "no leader";
  EXPECT_EQ(only(facts).level, FindingLevel::Warning);
  EXPECT(has(only(facts).what, "no leader"));
  held.failure.clear();
  held.not_before = kNow - hours(6 * 24);
  held.not_after = kNow + hours(24);
  EXPECT_EQ(only(facts).level, FindingLevel::Warning);
  held.not_after = kNow - seconds(90);
  EXPECT_EQ(only(facts).level, FindingLevel::Error);
  EXPECT(has(only(facts).what, "expired 1m30s ago"));
  held.not_before = kNow + minutes(5);
  held.not_after = kNow + hours(24);
  EXPECT(has(only(facts).fix, "clock"));
  held = {.service = "web"};
  EXPECT_EQ(only(facts).level, FindingLevel::Warning);
  EXPECT_EQ(only(facts).where, "service web");
}

TEST_CASE("steering: the best way is ok, what is worse says why and how to get better") {
  DoctorFacts facts;
  facts.steering = SteeringFact{.mode = "sk_lookup", .best = true, .settled = true, .reason = "steered"};
  EXPECT_EQ(only(facts).level, FindingLevel::Ok);
  facts.steering = SteeringFact{.mode = "listeners", .settled = true, .reason = "meshd-steer is not running", .hint = "start it"};
  EXPECT_EQ(only(facts).level, FindingLevel::Warning);
  EXPECT_EQ(only(facts).fix, "start it");
}

DnsFact dns_fact() {
  DnsFact dns;
  dns.name = "host-a.node.mesh";
  dns.expected = "10.0.0.11";
  dns.domain = "mesh";
  dns.server = "127.0.0.1:8600";
  dns.resolvers = {"10.0.0.2"};
  return dns;
}

TEST_CASE("the way of DNS: the fix is the line for the resolver that this host has") {
  DoctorFacts facts;
  facts.dns = dns_fact();
  SUBCASE("it resolves") {
    facts.dns->answers = {"10.0.0.11"};
    EXPECT_EQ(only(facts).level, FindingLevel::Ok);
  }
  SUBCASE("systemd-resolved") {
    facts.dns->resolvers = {"127.0.0.53"};
    facts.dns->failure = "no such name";
    EXPECT(has(only(facts).fix, "DNS=127.0.0.1:8600"));
    EXPECT(has(only(facts).fix, "Domains=~mesh"));
  }
  SUBCASE("no steering: the resolver must forward") {
    facts.dns->failure = "no such name";
    EXPECT(has(only(facts).fix, "server=/mesh/127.0.0.1#8600"));
  }
  SUBCASE("another answers") {
    facts.dns->answers = {"192.0.2.1"};
    EXPECT(has(only(facts).what, "192.0.2.1"));
    EXPECT_EQ(only(facts).level, FindingLevel::Error);
  }
}

TEST_CASE("a steered host is told its line for resolv.conf, and to forward other names to the resolver it had") {
  DoctorFacts facts;
  facts.dns = dns_fact();
  facts.dns->failure = "no such name";
  facts.steering = SteeringFact{.mode = "sk_lookup", .best = true, .settled = true, .dns = true, .reason = "steered"};
  const auto findings = findings_of(facts);
  REQUIRE_EQ(findings.size(), 2u);
  EXPECT(has(findings[1].fix, "nameserver 127.128.0.53"));
  EXPECT(has(findings[1].fix, "recursors: [10.0.0.2]"));
  facts.dns->forwards = true;
  EXPECT(!has(findings_of(facts)[1].fix, "recursors"));
}

TEST_CASE("the data directory: room, permissions, a disk that fails") {
  DoctorFacts facts;
  facts.data_dir = DataDirFact{.path = "/var/lib/meshd", .bytes_free = kDiskFreeWarning, .bytes_total = kDiskFreeWarning * 4};
  EXPECT_EQ(only(facts).level, FindingLevel::Ok);
  facts.data_dir->bytes_free = kDiskFreeWarning - 1;
  EXPECT_EQ(only(facts).level, FindingLevel::Warning);
  facts.data_dir->bytes_free = kDiskFreeError - 1;
  EXPECT_EQ(only(facts).level, FindingLevel::Error);
  facts.data_dir->trouble = "node.key may be read by others";
  EXPECT(has(only(facts).what, "node.key"));
  facts.data_dir->failure = "Input/output error";
  EXPECT(has(only(facts).what, "Input/output"));
}

TEST_CASE("a service that is registered and does not listen is told") {
  DoctorFacts facts;
  facts.services.push_back({.id = "web-1", .where = at("127.0.0.1:8080")});
  EXPECT_EQ(only(facts).level, FindingLevel::Warning);
  EXPECT(has(only(facts).fix, "deregister web-1"));
  facts.services[0].listens = true;
  EXPECT_EQ(only(facts).level, FindingLevel::Ok);
}

TEST_CASE("nameservers are read as the resolver reads them") {
  EXPECT_EQ(nameservers_of("# nameserver 1.1.1.1\nnameserver 10.0.0.2\r\nnameserver\t::1 x\nnameservers 9.9.9.9\nnameserver\nsearch a\nnameserver 10.0.0.3"),
            std::vector<std::string>{"10.0.0.2", "::1", "10.0.0.3"});
  EXPECT(nameservers_of("").empty());
}

}  // namespace
}  // namespace mesh::agent
