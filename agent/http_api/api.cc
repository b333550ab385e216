#include "agent/http_api/api.h"

#include <algorithm>
#include <vector>

#include "agent/http_api/reading.h"
#include "base/near_miss.h"

namespace mesh::agent {
namespace {

std::string no_such_path(std::string_view path) {
  std::vector<std::string_view> known;
  for (const Route& route : routes()) known.push_back(route.path);
  const auto near = near_miss(path, known);
  return near ? fmt::format("no endpoint {}; did you mean {}?", path, *near)
              : fmt::format("no endpoint {}; docs/api.md lists them", path);
}

std::string allow_header(const std::vector<net::HttpMethod>& methods) {
  std::string out;
  for (net::HttpMethod method : methods) {
    out += out.empty() ? "" : ", ";
    out += net::method_name(method);
    if (method == net::HttpMethod::Get) out += ", HEAD";
  }
  return out;
}

// 405, or the same list as the answer to OPTIONS.
net::HttpResponse other_method(const net::HttpRequest& request, const Routed& routed) {
  const std::string allowed = allow_header(routed.allowed);
  net::HttpResponse response;
  if (request.method != net::HttpMethod::Options) {
    response = net::text_response(
        405, fmt::format("method {} not allowed for {}; allowed: {}", request.method_text, request.path(), allowed));
  }
  response.headers.set("Allow", allowed);
  return response;
}

}  // namespace

HttpApi::HttpApi(net::Loop& loop, AgentControl& control, ServerClient& servers, Rng rng, ApiOptions options)
    : parts_{loop, control, servers, options.metrics, std::move(options.examine)}, access_(options.access), reads_(parts_, std::move(rng), options.metrics) {
  if (options.metrics == nullptr) return;
  requests_ = options.metrics->counter({.name = "meshd_http_requests_total", .help = "Requests to the HTTP API."});
  refusals_ = options.metrics->counters({.name = "meshd_http_refusals_total",
                                         .help = "Requests to the HTTP API that no handler saw.",
                                         .labels = {"status"}});
}

void HttpApi::publish(AgentViewPtr view) {
  view_ = std::move(view);
  reads_.on_view(view_);
}

net::HttpHandler::BodyPlan HttpApi::body_plan(const net::HttpRequest&) {
  return {.how = BodyPlan::How::Collect, .bytes_max = kBodyBytesMax};
}

void HttpApi::handle(net::HttpRequest request, const net::HttpPeer& peer,
                     std::unique_ptr<net::HttpExchange> exchange) {
  requests_.add();
  if (const Status host = check_host(request, peer, access_); !host.ok()) {
    refusals_.with({"403"}).add();
    return exchange->reply(error_response(host.error()));
  }
  auto routed = find_route(request.method, request.path());
  auto query = net::QueryParameters::parse(request.query());
  if (!routed.ok() || !query.ok()) {
    refusals_.with({"400"}).add();
    return exchange->reply(error_response(!routed.ok() ? routed.error() : query.error()));
  }
  if (routed->route == nullptr && routed->allowed.empty()) {
    refusals_.with({"404"}).add();
    return exchange->reply(error_response(error(Code::NotFound, "{}", no_such_path(request.path()))));
  }
  if (routed->route == nullptr) {
    refusals_.with({"405"}).add();
    return exchange->reply(other_method(request, *routed));
  }
  if (view_ == nullptr) return exchange->reply(error_response(error(Code::Unavailable, "the agent is starting")));
  Target target{.arguments = std::move(routed->arguments), .query = std::move(query).value()};
  const Route& found = *routed->route;
  route(std::move(request), peer, std::move(target), found, std::move(exchange));
}

void HttpApi::route(net::HttpRequest request, const net::HttpPeer& peer, Target target, const Route& route,
                    std::unique_ptr<net::HttpExchange> exchange) {
  if (const auto* handler = std::get_if<ActHandler>(&route.handler)) {
    ApiCaller caller = caller_of(request, target.query, peer, access_);
    auto call = std::make_unique<Call>(parts_, std::move(request), std::move(target), std::move(caller), view_,
                                       std::move(exchange));
    route.method == net::HttpMethod::Get ? (*handler)(std::move(call)) : act(*handler, std::move(call));
  } else if (route.scope == Scope::Shared) {
    reads_.start(route, std::move(target), view_, std::move(exchange));
  } else {
    read_own(target, std::get<ReadHandler>(route.handler), *exchange);
  }
}

// What changes something runs only for those who may.
void HttpApi::act(ActHandler handler, std::unique_ptr<Call> call) {
  const bool allow = call->view().catalog.default_action() == model::IntentionAction::Allow;
  switch (write_access(call->caller(), allow)) {
    case WriteAccess::Granted: return handler(std::move(call));
    case WriteAccess::Denied: refusals_.with({"403"}).add(); return call->fail(write_denied());
    case WriteAccess::NeedsTokenCheck: break;
  }
  std::string token = call->caller().token;
  const MonoTime deadline = call->deadline(kReadTime);
  parts_.servers.check_token(std::move(token), deadline, [handler, call = std::move(call)](const Status& known) mutable {
    known.ok() ? handler(std::move(call)) : call->fail(known.error());
  });
}

void HttpApi::read_own(const Target& target, ReadHandler handler, net::HttpExchange& exchange) const {
  Reading reading(*view_, target, 0);
  const Status status = handler(reading);
  if (!status.ok()) return exchange.reply(error_response(status.error()));
  net::HttpResponse response = json_response(reading.take_body());
  if (target.flag("pretty")) response.body += '\n';
  exchange.reply(std::move(response));
}

}  // namespace mesh::agent
