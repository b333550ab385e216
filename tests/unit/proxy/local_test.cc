// Connections between programs of one host: no TLS, all of the policy.
#include <unistd.h>

#include <filesystem>
#include <functional>

#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"
#include "tests/unit/proxy/proxy_fixture.h"

namespace mesh::proxy {

namespace {

using model::IntentionAction;
using net::Loop;
using net::wait_for;

std::shared_ptr<const ProcessRules> rules_of(std::vector<ProcessRule> rules, std::vector<std::string> guarded = {}) {
  return std::make_shared<const ProcessRules>(std::move(rules), std::move(guarded));
}

// One host that runs db; everybody may call.
struct OneHost {
  explicit OneHost(const ProxyLimits& limits = {}) : host(loop, pool, authority, 21, limits), program(loop) {
    host.route_to("db");
    host.endpoints_of("db", {host.endpoint("db-1")});
    host.run_instance("db-1", "db", program.where());
    host.allow_all();
    host.publish();
  }
  // Declared first, destroyed last.
  Loop loop{"test"};
  net::HandshakePool pool{{.threads = 1}};
  TestAuthority authority;
  Host host;
  Program program;
};

}  // namespace

TEST_CASE("a program reaches an instance of its own host") {
  OneHost one;
  one.program.greeting = "ready ";
  CallingProgram caller(one.loop, one.host.mesh_address());
  REQUIRE(wait_for(one.loop, [&] { return caller.seen.received == "ready "; }));  // the server speaks first
  caller.stream->write("question");
  caller.stream->shutdown_write();
  REQUIRE(wait_for(one.loop, [&] { return one.program.calls[0]->seen.ended; }));
  EXPECT_EQ(one.program.received(), "question");
  one.program.calls[0]->stream->write("answer");
  one.program.calls[0]->stream->shutdown_write();
  REQUIRE(wait_for(one.loop, [&] { return caller.seen.ended; }));
  EXPECT_EQ(caller.seen.received, "ready answer");
  REQUIRE(wait_for(one.loop, [&] { return one.host.closed("outbound", "CONNECTED") == 1; }));
  EXPECT_EQ(one.host.metric("meshd_proxy_sent_bytes_total", {"source=\"node/host-21\"", "destination=\"db\""}), 8);
  EXPECT_EQ(one.host.metric("meshd_proxy_received_bytes_total"), 12);
  EXPECT(one.host.conserved());
}

TEST_CASE("connections wait until the first snapshot instead of being refused") {
  Loop loop("test");
  net::HandshakePool pool({.threads = 1});
  TestAuthority authority;
  Host host(loop, pool, authority, 22);
  Program program(loop);
  CallingProgram caller(loop, host.mesh_address());
  net::settle(loop);
  EXPECT_FALSE(caller.seen.failure.has_value());
  host.route_to("db");
  host.endpoints_of("db", {host.endpoint("db-1")});
  host.run_instance("db-1", "db", program.where());
  host.allow_all();
  host.publish();
  caller.stream->write("patient");
  REQUIRE(wait_for(loop, [&] { return program.received() == "patient"; }));
}

TEST_CASE("what cannot be reached is reset with its reason") {
  OneHost one;
  struct Row {
    const char* reason;
    std::function<void(Host&)> change;
  };
  Program gone(one.loop);
  const net::Endpoint nobody = gone.where();
  gone.listener.reset();
  const Row rows[] = {
      {"CONNECT_REFUSED", [&](Host& host) { host.run_instance("db-1", "db", nobody); }},
      {"INSTANCE_UNKNOWN", [](Host& host) { host.run_instance("db-1", "other", {}); }},
      {"PORT_UNKNOWN",
       [](Host& host) {
         host.next.instances = std::make_shared<const LocalInstances>(LocalInstances{{"db-1", {"db-1", "db", {}, ""}}});
       }},
      {"NO_HEALTHY_INSTANCE",
       [](Host& host) {
         MeshEndpoint ill = host.endpoint("db-1");
         ill.healthy = false;
         host.endpoints_of("db", {ill});
       }},
      {"NO_ROUTE", [](Host& host) { host.next.routes = std::make_shared<const RouteTable>(); }},
  };
  for (const Row& row : rows) {
    row.change(one.host);
    one.host.publish();
    CallingProgram caller(one.loop, one.host.mesh_address());
    EXPECT(caller.is_reset(one.loop));
    REQUIRE(wait_for(one.loop, [&] { return one.host.closed("outbound", row.reason) == 1; }));
  }
  EXPECT(one.host.conserved());
  EXPECT(one.program.calls.empty());
}

TEST_CASE("the next instance is tried when one refuses, and the refusing one comes last for a while") {
  OneHost one;
  Program gone(one.loop);
  const net::Endpoint nobody = gone.where();
  gone.listener.reset();
  one.host.run_instance("db-0", "db", nobody);
  one.host.endpoints_of("db", {one.host.endpoint("db-0"), one.host.endpoint("db-1")});
  one.host.publish();
  for (int n = 0; n < 4; ++n) {
    CallingProgram caller(one.loop, one.host.mesh_address());
    caller.stream->write("x");
    REQUIRE(wait_for(one.loop, [&] { return one.program.received().size() == std::size_t(n) + 1; }));
  }
  EXPECT_EQ(one.host.metric("meshd_proxy_attempt_failures_total", {"CONNECT_REFUSED"}), 1);
}

TEST_CASE("policy is asked with the identity that the kernel proves") {
  OneHost one;
  one.host.next.processes =
      rules_of({{"web", 1000}, {"api", 1001}});
  one.host.rules({intention("rule-web", "web", "db", IntentionAction::Allow),
                  intention("rule-api", "api", "db", IntentionAction::Deny)},
                 IntentionAction::Deny);
  one.host.publish();
  one.host.proof.facts = CallerFacts{.uid = 1000};
  CallingProgram allowed(one.loop, one.host.mesh_address());
  allowed.stream->write("from web");
  REQUIRE(wait_for(one.loop, [&] { return one.program.received() == "from web"; }));
  one.host.proof.facts = CallerFacts{.uid = 1001};
  CallingProgram denied(one.loop, one.host.mesh_address());
  EXPECT(denied.is_reset(one.loop));
  one.host.proof.facts = CallerFacts{};
  CallingProgram unknown(one.loop, one.host.mesh_address());
  EXPECT(unknown.is_reset(one.loop));
  one.host.proof.facts = CallerFacts{.foreign = true};
  CallingProgram stranger(one.loop, one.host.mesh_address());
  EXPECT(stranger.is_reset(one.loop));
  EXPECT_EQ(one.host.closed("outbound", "CALLER_NOT_ALLOWED"), 1);
  EXPECT_EQ(one.host.closed("outbound", "DENIED_BY_INTENTION"), 1);
  EXPECT_EQ(one.host.closed("outbound", "DENIED_BY_DEFAULT"), 1);
  EXPECT_EQ(one.host.metric("meshd_proxy_closed_total", {"source=\"api\"", "DENIED_BY_INTENTION"}), 1);
  EXPECT_EQ(one.program.calls.size(), 1u);
}

TEST_CASE("an open connection ends when policy or its instance changes, not when the instance goes") {
  OneHost one;
  CallingProgram caller(one.loop, one.host.mesh_address());
  REQUIRE(wait_for(one.loop, [&] { return one.program.calls.size() == 1; }));
  one.host.next.instances = std::make_shared<const LocalInstances>();
  one.host.publish();
  caller.stream->write("still here");
  REQUIRE(wait_for(one.loop, [&] { return one.program.received() == "still here"; }));
  one.host.rules({intention("no", "node/host-21", "db", IntentionAction::Deny)}, IntentionAction::Allow);
  one.host.publish();
  EXPECT(caller.is_reset(one.loop));
  REQUIRE(wait_for(one.loop, [&] { return one.program.calls[0]->seen.failure.has_value(); }));
  EXPECT_EQ(one.host.closed("outbound", "NO_LONGER_ALLOWED"), 1);

  one.host.allow_all();
  one.host.run_instance("db-1", "db", one.program.where());
  one.host.publish();
  CallingProgram second(one.loop, one.host.mesh_address());
  REQUIRE(wait_for(one.loop, [&] { return one.program.calls.size() == 2; }));
  one.host.run_instance("db-1", "cache", one.program.where());
  one.host.publish();
  EXPECT(second.is_reset(one.loop));
  EXPECT_EQ(one.host.closed("outbound", "INSTANCE_REPLACED"), 1);
  EXPECT(one.host.conserved());
}

TEST_CASE("a service over its budget is shed alone, and the place is free again after a connection") {
  OneHost one({.connections_per_service_max = 1});
  auto first = std::make_unique<CallingProgram>(one.loop, one.host.mesh_address());
  REQUIRE(wait_for(one.loop, [&] { return one.program.calls.size() == 1; }));
  CallingProgram second(one.loop, one.host.mesh_address());
  EXPECT(second.is_reset(one.loop));
  EXPECT_EQ(one.host.closed("outbound", "OVERLOADED"), 1);
  Program other(one.loop);
  one.host.run_instance("cache-1", "cache", other.where());
  one.host.endpoints_of("cache", {one.host.endpoint("cache-1")});
  one.host.route_to("cache");
  one.host.publish();
  CallingProgram elsewhere(one.loop, one.host.mesh_address());
  REQUIRE(wait_for(one.loop, [&] { return other.calls.size() == 1; }));
  one.host.route_to("db");
  one.host.publish();
  first->stream->reset();
  REQUIRE(wait_for(one.loop, [&] { return one.host.closed("outbound", "RESET_BY_SOURCE") == 1; }));
  CallingProgram third(one.loop, one.host.mesh_address());
  REQUIRE(wait_for(one.loop, [&] { return one.program.calls.size() == 2; }));
}

TEST_CASE("a proxy that is full resets what comes") {
  OneHost one({.connections_max = 1});
  CallingProgram first(one.loop, one.host.mesh_address());
  REQUIRE(wait_for(one.loop, [&] { return one.program.calls.size() == 1; }));
  CallingProgram second(one.loop, one.host.mesh_address());
  EXPECT(second.is_reset(one.loop));
  EXPECT_EQ(one.host.closed("outbound", "OVERLOADED"), 1);
  EXPECT(one.host.conserved());
}

TEST_CASE("an upstream's own address leads to its service, for that service's processes if they can be told") {
  OneHost one;
  auto folder = TempDir::make("proxy");
  REQUIRE(folder.ok());
  const net::Endpoint socket = *net::Endpoint::parse("unix:" + folder->file("db.sock"));
  one.host.next.binds = std::make_shared<const std::vector<UpstreamBind>>(
      std::vector<UpstreamBind>{{socket, "web", Route{"db", "main", model::Protocol::Tcp}}});
  one.host.publish();
  CallingProgram caller(one.loop, socket);
  caller.stream->write("by name");
  REQUIRE(wait_for(one.loop, [&] { return one.program.received() == "by name"; }));
  one.host.next.processes =
      rules_of({{"web", 1000}});
  one.host.proof.facts = CallerFacts{.uid = 1001};
  one.host.publish();
  CallingProgram stranger(one.loop, socket);
  REQUIRE(wait_for(one.loop, [&] { return one.host.closed("outbound", "CALLER_NOT_ALLOWED") == 1; }));
  one.host.proof.facts = CallerFacts{.uid = 1000};
  CallingProgram owner(one.loop, socket);
  owner.stream->write("!");
  REQUIRE(wait_for(one.loop, [&] { return one.program.received() == "by name!"; }));
  EXPECT_EQ(one.host.metric("meshd_proxy_binds_failed"), 0);
  one.host.next.binds = std::make_shared<const std::vector<UpstreamBind>>();
  one.host.publish();
  EXPECT_FALSE(std::filesystem::exists(socket.unix_path()));
}

TEST_CASE("an upstream's address that is taken is counted and tried again until it is free") {
  OneHost one({.bind_retry = milliseconds(5)});
  Program taken(one.loop);
  const net::Endpoint taken_at = taken.where();
  one.host.next.binds = std::make_shared<const std::vector<UpstreamBind>>(
      std::vector<UpstreamBind>{{taken.where(), "web", Route{"db", "main", model::Protocol::Tcp}}});
  one.host.publish();
  EXPECT_EQ(one.host.metric("meshd_proxy_binds_failed"), 1);
  taken.listener.reset();
  REQUIRE(wait_for(one.loop, [&] { return one.host.metric("meshd_proxy_binds_failed") == 0; }));
  CallingProgram caller(one.loop, taken_at);
  caller.stream->write("at last");
  REQUIRE(wait_for(one.loop, [&] { return one.program.received() == "at last"; }));
}

TEST_CASE("a process that the rules of two services match alike is refused; a caller without its own certificate too") {
  OneHost one;
  one.host.next.processes = rules_of({{"web", 1000}, {"api", 1000}, {"cron", 1001}});
  one.host.publish();
  one.host.proof.facts = CallerFacts{.uid = 1000};
  CallingProgram either(one.loop, one.host.mesh_address());
  EXPECT(either.is_reset(one.loop));
  EXPECT_EQ(one.host.closed("outbound", "CALLER_AMBIGUOUS"), 1);
  MeshEndpoint elsewhere = one.host.endpoint("db-2");
  elsewhere.node_id = model::NodeId("another");
  one.host.endpoints_of("db", {elsewhere});
  one.host.publish();
  one.host.proof.facts = CallerFacts{.uid = 1001};  // a service never calls as its node
  CallingProgram bare(one.loop, one.host.mesh_address());
  EXPECT(bare.is_reset(one.loop));
  EXPECT_EQ(one.host.metric("meshd_proxy_closed_total", {"source=\"cron\"", "destination=\"db\"", "NO_IDENTITY"}), 1);
  EXPECT(one.host.conserved());
}

TEST_CASE("a process in a control group too young to be told is refused, not taken for another service") {
  OneHost one;
  one.host.next.processes = rules_of({{"web", 1000, "/crowded", {7}, 9}, {"shop", 1000, {}, {}, 2}});
  one.host.publish();
  one.host.proof.facts = CallerFacts{.uid = 1000, .cgroup = 8};
  one.host.proof.below = Below::Unknown;
  CallingProgram young(one.loop, one.host.mesh_address());
  EXPECT(young.is_reset(one.loop));
  EXPECT_EQ(one.host.closed("outbound", "CALLER_AMBIGUOUS"), 1);
  one.host.proof.below = Below::No;
  CallingProgram shop(one.loop, one.host.mesh_address());
  shop.write("told");
  REQUIRE(wait_for(one.loop, [&] { return one.program.received() == "told"; }));
}

TEST_CASE("the line of a caller that is denied as the node says which service's rule it nearly meets") {
  struct Lines final : LogSink {
    void write(LogLevel, std::string_view line) override { text += line; }
    std::string text;
  } lines;
  OneHost one;
  one.host.next.processes = rules_of({{"web", 1000, "/web", {7}}});
  one.host.rules({}, IntentionAction::Deny);
  one.host.publish();
  one.host.proof.facts = CallerFacts{.uid = 0, .cgroup = 7};
  LogSink* const before = set_log_sink(&lines);
  {
    CallingProgram root(one.loop, one.host.mesh_address());
    EXPECT(root.is_reset(one.loop));
  }
  set_log_sink(before);
  EXPECT_NE(lines.text.find("DENIED_BY_DEFAULT"), std::string::npos);
  EXPECT_NE(lines.text.find("it is in the control group of web, which is uid 1000 in /web only"), std::string::npos);
}

TEST_CASE("draining refuses new connections, waits for open ones and resets what is left at the deadline") {
  for (const bool in_time : {true, false}) {
    OneHost one;
    const net::Endpoint address = one.host.mesh_address();
    CallingProgram caller(one.loop, address);
    REQUIRE(wait_for(one.loop, [&] { return one.program.calls.size() == 1; }));
    bool drained = false;
    const MonoTime deadline = one.loop.now() + (in_time ? Duration(seconds(60)) : Duration(milliseconds(30)));
    one.host.proxy->drain(deadline, one.loop.ref(), [&] { drained = true; });
    net::settle(one.loop);
    EXPECT_FALSE(drained);
    std::optional<bool> refused;
    const net::StreamConnect late(one.loop, address, {.deadline = one.loop.now() + net::kTestPatience},
                                  [&](Result<std::unique_ptr<net::Stream>> result) { refused = !result.ok(); });
    REQUIRE(wait_for(one.loop, [&] { return refused.has_value(); }));
    EXPECT(*refused);
    if (in_time) {
      caller.stream->write("last");
      REQUIRE(wait_for(one.loop, [&] { return one.program.received() == "last"; }));
      caller.stream->shutdown_write();
      one.program.calls[0]->stream->shutdown_write();
    }
    REQUIRE(wait_for(one.loop, [&] { return drained; }));
    EXPECT_EQ(one.host.closed("outbound", in_time ? "CONNECTED" : "DRAINING"), 1);
    EXPECT(one.host.conserved());
  }
}

TEST_CASE("the kernel tells the user of a caller over a unix socket") {
  Loop loop("test");
  auto folder = TempDir::make("proxy");
  REQUIRE(folder.ok());
  const net::StreamPair pair(loop, *net::Endpoint::parse("unix:" + folder->file("s")));
  EXPECT(SocketCallerProof().ask(*pair.b, pair.b->local()).uid == getuid());
  const net::StreamPair tcp(loop);
  EXPECT_FALSE(SocketCallerProof().ask(*tcp.b, tcp.b->local()).uid.has_value());
}

TEST_CASE("workers share the mesh port and have outbound listeners of their own") {
  Loop a("a");
  Loop b("b");
  net::HandshakePool pool({.threads = 1});
  MetricRegistry registry;
  const SocketCallerProof proof;
  net::Loop* loops[] = {&a, &b};
  Proxy proxy(loops, {}, pool, proof, registry);
  REQUIRE(proxy.start().ok());
  EXPECT_EQ(proxy.inbound_descriptors().size(), 2u);
  EXPECT_EQ(proxy.outbound_descriptors().size(), 2u);
  EXPECT(proxy.inbound_address().address().port != 0);
  EXPECT(proxy.outbound_addresses()[0] != proxy.outbound_addresses()[1]);
  Program taken(a);
  Proxy second(loops, {.inbound = taken.where()}, pool, proof, registry);
  EXPECT_EQ(outcome_of(second.start()), Code::Conflict);
}

TEST_CASE("workers on threads of their own serve while snapshots are published, and drain") {
  Loop own("test");
  Program program(own);
  net::HandshakePool pool({.threads = 1});
  MetricRegistry registry;
  const SocketCallerProof proof;
  Loop a("worker-a");
  Loop b("worker-b");
  net::Loop* loops[] = {&a, &b};
  auto proxy = std::make_unique<Proxy>(loops, ProxyOptions{}, pool, proof, registry);
  REQUIRE(proxy->start().ok());
  Thread on_a("worker-a", [&a] { a.run(); });
  Thread on_b("worker-b", [&b] { b.run(); });

  ProxySnapshot next;
  next.node_id = model::NodeId("n");
  RouteTable routes;
  for (const net::Endpoint& at : proxy->outbound_addresses()) routes[at.address()] = {"db", "main", model::Protocol::Tcp};
  next.routes = std::make_shared<const RouteTable>(routes);
  ServiceEndpoints endpoints{"db", {{"main", {{next.node_id, "db-1", {}, 1, true, true}}}}};
  next.endpoints = std::make_shared<const EndpointTable>(
      EndpointTable{{"db", std::make_shared<const ServiceEndpoints>(std::move(endpoints))}});
  next.instances = std::make_shared<const LocalInstances>(
      LocalInstances{{"db-1", {"db-1", "db", {{"main", program.where()}}, "main"}}});
  std::vector<std::unique_ptr<CallingProgram>> callers;
  for (int n = 0; n < 100; ++n) {
    next.rules = std::make_shared<const model::IntentionRules>(std::vector<const model::Intention*>{},
                                                               model::IntentionAction::Allow);
    proxy->publish(std::make_shared<const ProxySnapshot>(next));
    callers.push_back(std::make_unique<CallingProgram>(own, proxy->outbound_addresses()[static_cast<std::size_t>(n) % 2]));
    callers.back()->write("x");
  }
  REQUIRE(wait_for(own, [&] { return program.received().size() == 100; }));
  for (const auto& caller : callers) caller->stream->shutdown_write();
  bool drained = false;
  proxy->drain(own.now() + net::kTestPatience, own.ref(), [&] { drained = true; });
  for (const auto& call : program.calls) call->stream->shutdown_write();
  REQUIRE(wait_for(own, [&] { return drained; }));
  for (net::Loop* loop : loops) loop->stop();
  on_a.join();
  on_b.join();
  proxy.reset();
  EXPECT(registry.prometheus_text().find("meshd_proxy_accepted_total{direction=\"outbound\"} 100") != std::string::npos);
}

}  // namespace mesh::proxy
