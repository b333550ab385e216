// Hosts of a mesh in one process: each has a proxy, an address of 127.0.0.0/8 and certificates of one root. The programs that
// call and are called are plain sockets.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "agent/proxy/proxy.h"
#include "base/clock.h"
#include "model/spiffe.h"
#include "net/crypto.h"
#include "net/tls/certificate.h"
#include "net/tls/handshake.h"
#include "net/tls/identity.h"
#include "tests/unit/net/net_fixture.h"

namespace mesh::proxy {

inline const std::string kTestDomain = "5ad1e7c2-6a1c-4c0e-9a3e-0d6f0f1f8a01.mesh";
inline const std::string kTestDc = "dc1";

// A root that signs.
struct TestAuthority {
  explicit TestAuthority(std::string name = "test root") {
    auto made = net::Signer::make_root({std::move(name), kTestDomain, validity()});
    REQUIRE(made.ok());
    open(made->certificate_pem, made->key_pem);
  }
  TestAuthority(const Bytes& certificate_pem, const Bytes& key_pem) { open(certificate_pem, key_pem); }
  void open(const Bytes& certificate_pem, const Bytes& key_pem) {
    root_pem = certificate_pem;
    auto opened = net::Signer::from_pem(certificate_pem, key_pem);
    REQUIRE(opened.ok());
    signer = std::make_unique<net::Signer>(std::move(*opened));
  }

  static net::Validity validity() { return {wall_now() - hours(1), wall_now() + hours(24)}; }

  std::shared_ptr<const net::TlsIdentity> sign(const std::string& uri, std::vector<std::string> names) {
    const Bytes key = net::make_key_pem();
    const auto csr = net::make_csr(key);
    REQUIRE(csr.ok());
    const auto info = net::read_csr(*csr);
    REQUIRE(info.ok());
    const auto leaf = signer->sign_leaf({info->public_key, uri, std::move(names), Bytes(1, static_cast<char>(++serial)), validity()});
    REQUIRE(leaf.ok());
    auto identity = net::TlsIdentity::from_pem(*leaf, key);
    REQUIRE(identity.ok());
    return *identity;
  }
  std::shared_ptr<const net::TlsIdentity> service(const std::string& service, const std::string& node_id = {}) {
    std::vector<std::string> names{model::service_sni(service, kTestDc, kTestDomain)};
    if (!node_id.empty()) names.push_back(model::node_dns_name(node_id, kTestDc, kTestDomain));
    return sign(model::SpiffeId{model::SpiffeId::Kind::Service, kTestDomain, kTestDc, service}.uri(), std::move(names));
  }
  std::shared_ptr<const net::TlsIdentity> agent(const std::string& node_id) {
    return sign(model::SpiffeId{model::SpiffeId::Kind::Agent, kTestDomain, kTestDc, node_id}.uri(), {"agent.test"});
  }

  Bytes root_pem;
  std::unique_ptr<net::Signer> signer;
  int serial = 0;
};

inline std::shared_ptr<const net::TrustBundle> trust_in(const std::vector<std::string>& roots) {
  auto made = net::TrustBundle::from_pem(roots);
  REQUIRE(made.ok());
  return *made;
}

// A program that is called: keeps every connection that it gets.
struct Program {
  explicit Program(net::Loop& loop, const std::string& at = "127.0.0.1:0") {
    auto made = net::StreamListener::listen(loop, *net::Endpoint::parse(at), {}, [this](std::unique_ptr<net::Stream> stream) {
      auto& one = calls.emplace_back(std::make_unique<Call>());
      one->stream = std::move(stream);
      one->stream->set_observer(&one->seen);
      one->stream->resume_reading();
      if (!greeting.empty()) one->stream->write(greeting);
    });
    REQUIRE(made.ok());
    listener = std::move(*made);
  }
  struct Call {
    net::RecordingObserver seen;
    std::unique_ptr<net::Stream> stream;
  };
  [[nodiscard]] std::string received() const {
    std::string all;
    for (const auto& call : calls) all += call->seen.received;
    return all;
  }
  [[nodiscard]] const net::Endpoint& where() const { return listener->local(); }

  std::string greeting;
  std::vector<std::unique_ptr<Call>> calls;
  std::unique_ptr<net::StreamListener> listener;
};

// A program that calls.
struct CallingProgram {
  CallingProgram(net::Loop& loop, const net::Endpoint& to)
      : connect(loop, to, net::ConnectOptions{.deadline = loop.now() + net::kTestPatience},
                [this](Result<std::unique_ptr<net::Stream>> result) {
                  if (!result.ok()) {  // the reset came before the kernel had told of the connection
                    seen.failure = result.error();
                    return;
                  }
                  stream = std::move(*result);
                  stream->set_observer(&seen);
                  stream->resume_reading();
                }) {
    REQUIRE(net::wait_for(loop, [this] { return stream != nullptr || seen.failure.has_value(); }));
  }
  // Waits for the end, which must be a reset.
  [[nodiscard]] bool is_reset(net::Loop& loop) {
    REQUIRE(net::wait_for(loop, [this] { return seen.failure.has_value() || seen.ended; }));
    return seen.failure.has_value() && (stream == nullptr || stream->reset_by_peer());
  }
  void write(ByteView bytes) {
    if (stream) stream->write(bytes);
  }
  net::RecordingObserver seen;
  std::unique_ptr<net::Stream> stream;
  net::StreamConnect connect;
};

// Says of every local caller what the test wants.
struct FixedProof final : CallerProof {
  CallerFacts ask(const net::Stream&, const net::Endpoint&) const override { return facts; }
  Below is_below(std::uint64_t, const std::string&) const override { return below; }
  CallerFacts facts;
  Below below = Below::No;
};

struct Host {
  Host(net::Loop& on_loop, net::HandshakePool& pool, TestAuthority& authority, int number, const ProxyLimits& limits = {})
      : loop(on_loop), ip("127.0.0." + std::to_string(number)) {
    node_id = "0c7a7b52-9f2f-4b6e-8f10-3f6f58b5a0" + std::to_string(number);
    next.datacenter = kTestDc;
    next.trust_domain = kTestDomain;
    next.node_id = model::NodeId(node_id);
    next.node_name = "host-" + std::to_string(number);
    ids.node = authority.agent(node_id);
    ids.trust = trust_in({authority.root_pem});
    net::Loop* loops[] = {&loop};
    const ProxyOptions options{*net::Endpoint::parse("127.0.0.1:0"), *net::Endpoint::parse(ip + ":0"), limits};
    proxy = std::make_unique<Proxy>(loops, options, pool, proof, registry);
    REQUIRE(proxy->start().ok());
  }

  [[nodiscard]] net::Endpoint mesh_address() const { return proxy->outbound_addresses().front(); }
  // What connections to mesh_address() lead to.
  void route_to(const std::string& service) {
    next.routes = std::make_shared<const RouteTable>(
        RouteTable{{mesh_address().address(), Route{service, "main", model::Protocol::Tcp}}});
  }
  [[nodiscard]] MeshEndpoint endpoint(const std::string& instance) const {
    MeshEndpoint made;
    made.node_id = next.node_id;
    made.instance_id = instance;
    made.mesh = proxy->inbound_address().address();
    made.healthy = true;
    return made;
  }
  void endpoints_of(const std::string& service, std::vector<MeshEndpoint> list) {
    for (MeshEndpoint& one : list) one.local = one.node_id == next.node_id;
    auto made = std::make_shared<ServiceEndpoints>();
    made->service = service;
    made->ports["main"] = std::move(list);
    EndpointTable table = *next.endpoints;
    table[service] = std::move(made);
    next.endpoints = std::make_shared<const EndpointTable>(std::move(table));
  }
  void run_instance(const std::string& id, const std::string& service, const net::Endpoint& where) {
    LocalInstances instances = *next.instances;
    instances[id] = LocalInstance{id, service, {{"main", where}}, "main"};
    next.instances = std::make_shared<const LocalInstances>(std::move(instances));
  }
  void rules(const std::vector<model::Intention>& rows, model::IntentionAction otherwise) {
    std::vector<const model::Intention*> pointers;
    for (const model::Intention& row : rows) pointers.push_back(&row);
    next.rules = std::make_shared<const model::IntentionRules>(pointers, otherwise);
  }
  void allow_all() { rules({}, model::IntentionAction::Allow); }
  void know(const Host& other) {
    NodeNames names = *next.node_names;
    names[other.node_id] = other.next.node_name;
    next.node_names = std::make_shared<const NodeNames>(std::move(names));
  }
  void publish() {
    next.identities = std::make_shared<const Identities>(ids);
    proxy->publish(std::make_shared<const ProxySnapshot>(next));
    net::settle(loop, 1);
  }

  // The sum of all series of a metric whose line holds all of the given texts.
  [[nodiscard]] double metric(const std::string& name, const std::vector<std::string>& with = {}) const {
    double sum = 0;
    const std::string text = registry.prometheus_text();
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      const std::string line = text.substr(at, end - at);
      at = end + 1;
      const bool named = line.starts_with(name + "{") || line.starts_with(name + " ");
      const auto holds = [&](const std::string& part) { return line.find(part) != std::string::npos; };
      if (named && std::all_of(with.begin(), with.end(), holds)) sum += std::stod(line.substr(line.rfind(' ') + 1));
    }
    return sum;
  }
  [[nodiscard]] double closed(const std::string& direction, const std::string& reason) const {
    return metric("meshd_proxy_closed_total", {"direction=\"" + direction + "\"", "reason=\"" + reason + "\""});
  }
  [[nodiscard]] bool conserved() const {
    for (const char* direction : {"direction=\"outbound\"", "direction=\"inbound\""})
      if (metric("meshd_proxy_accepted_total", {direction}) !=
          metric("meshd_proxy_closed_total", {direction}) + metric("meshd_proxy_open_connections", {direction}))
        return false;
    return true;
  }

  net::Loop& loop;
  std::string ip;
  std::string node_id;
  MetricRegistry registry;
  FixedProof proof;
  ProxySnapshot next;
  Identities ids;
  std::unique_ptr<Proxy> proxy;
};

inline model::Intention intention(std::string id, std::string source, std::string destination, model::IntentionAction action) {
  model::Intention row;
  row.id = std::move(id);
  row.source = std::move(source);
  row.destination = std::move(destination);
  row.action = action;
  return row;
}

}  // namespace mesh::proxy
