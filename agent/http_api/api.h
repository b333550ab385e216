// The HTTP API: takes a request apart, finds its route and gets it answered. Consul's paths, shapes and headers; the
// table of endpoints is route_list.h, documented in docs/api.md.
//
// Glossary: route = one line of that table; reading = an answer from the agent's view; call = a request that somebody
// else answers; shared read = a reading of replicated data, which may block.
// Thread: the API loop. What it is given outlives it; the HTTP server that feeds it is stopped before it is destroyed.
// To add an endpoint: its line in route_list.h, its handler in the file of its group.
#pragma once

#include <memory>

#include "agent/http_api/call.h"
#include "agent/http_api/shared_reads.h"
#include "base/metrics.h"
#include "base/rng.h"
#include "net/http1/server.h"

namespace mesh::agent {

struct ApiOptions {
  MetricRegistry* metrics = nullptr;  // what /metrics shows and where the API counts
  AccessRules access{};
  Examine examine{};
};

class HttpApi final : public net::HttpHandler {
 public:
  HttpApi(net::Loop& loop, AgentControl& control, ServerClient& servers, Rng rng, ApiOptions options);

  // A newer view; REQUIRED once before the first request is answered with other than 500. Wakes blocking reads.
  void publish(AgentViewPtr view);
  // Before Http1Server::stop(): lets go of whoever waits, so that the drain need not wait for them.
  void release_waiting() { reads_.finish_all(); }

  BodyPlan body_plan(const net::HttpRequest& request) override;
  void handle(net::HttpRequest request, const net::HttpPeer& peer,
              std::unique_ptr<net::HttpExchange> exchange) override;

  [[nodiscard]] std::size_t waiting_reads() const { return reads_.waiting(); }

 private:
  void route(net::HttpRequest request, const net::HttpPeer& peer, Target target, const Route& route,
             std::unique_ptr<net::HttpExchange> exchange);
  void act(ActHandler handler, std::unique_ptr<Call> call);
  void read_own(const Target& target, ReadHandler handler, net::HttpExchange& exchange) const;

  ApiParts parts_;
  AccessRules access_;
  AgentViewPtr view_;
  SharedReads reads_;
  Counter requests_;
  CounterFamily refusals_;
};

}  // namespace mesh::agent
