#include "agent/checks/http_run.h"

#include <fmt/core.h>

#include <algorithm>

namespace mesh::agent {

using model::CheckStatus;

namespace {

CheckStatus status_of(int http_status) {
  if (http_status >= 200 && http_status <= 299) return CheckStatus::Passing;
  return http_status == 429 ? CheckStatus::Warning : CheckStatus::Critical;
}

bool is_redirect(int http_status) {
  constexpr int kRedirects[] = {301, 302, 303, 307, 308};
  return std::find(std::begin(kRedirects), std::end(kRedirects), http_status) != std::end(kRedirects);
}

}  // namespace

HttpRun::HttpRun(net::Loop& loop, net::Http1Client& client, const model::CheckDefinition& definition, MonoTime deadline,
                 OnDone on_done)
    : loop_(loop),
      client_(client),
      definition_(definition),
      deadline_(deadline),
      on_done_(std::move(on_done)),
      method_(definition.method.empty() ? "GET" : definition.method),
      body_(definition.body),
      fault_timer_(loop, [this] { fail(*fault_); }) {
  auto url = parse_check_url(definition.http);
  if (url.ok()) {
    own_ = *url;
    visit(std::move(*url));
  } else {
    fault_ = std::move(url).error();
    fault_timer_.start_after({});
  }
}

void HttpRun::visit(net::HttpUrl url) {
  url_ = std::move(url);
  output_.clear();
  reach_ = std::make_unique<Reach>(loop_, HostPort{url_.host, url_.port},
                                   ReachOptions{.deadline = deadline_, .prove = Prove::IfSeveral},
                                   [this](Result<net::Endpoint> reached) { send(std::move(reached)); });
}

void HttpRun::send(Result<net::Endpoint> reached) {
  if (!reached.ok()) return fail(reached.error());
  net::HttpCallOptions options{.to = std::move(*reached), .host = host(), .deadline = deadline_, .keep_alive = false};
  options.on_body = [this](ByteView piece) { keep(piece); };
  call_ = client_.send(request(), std::move(options),
                       [this](Result<net::HttpResponse> response) { answered(std::move(response)); });
}

bool HttpRun::at_own_host() const { return url_.port == own_.port && net::equals_ignore_case(url_.host, own_.host); }

std::string HttpRun::host() const {
  for (const auto& [name, values] : definition_.header)
    if (at_own_host() && net::equals_ignore_case(name, "Host") && !values.values.empty()) return values.values.front();
  return url_.host_header();
}

net::HttpRequest HttpRun::request() const {
  net::HttpRequest request;
  request.method = net::method_of(method_);
  request.method_text = method_;
  request.target = url_.target;
  request.body = body_;
  for (const auto& [name, values] : definition_.header)
    for (const auto& value : values.values)
      if (at_own_host()) request.headers.add(name, value);
  if (!request.headers.get("User-Agent")) request.headers.add("User-Agent", "meshd health check");
  if (!request.headers.get("Accept")) request.headers.add("Accept", "text/plain, text/*, */*");
  return request;
}

void HttpRun::keep(ByteView piece) {
  output_.append(piece.substr(0, model::kCheckOutputMax - std::min(output_.size(), model::kCheckOutputMax)));
}

void HttpRun::answered(Result<net::HttpResponse> response) {
  call_.reset();  // it has fired; a run that is done holds nothing of the client
  if (!response.ok()) return fail(response.error());
  const auto location = response->headers.get("Location");
  if (is_redirect(response->status) && location && !definition_.disable_redirects)
    return redirected(response->status, *location);
  finish(status_of(response->status),
         fmt::format("{} {} Output: {}", response->status, net::reason_phrase(response->status), output_));
}

void HttpRun::redirected(int status, std::string_view location) {
  if (++redirects_ > kCheckRedirectsMax)
    return fail(error(Code::Unavailable, "more than {} redirects, the last to {}", kCheckRedirectsMax, location));
  auto next = redirect_target(url_, location);
  if (!next.ok()) return fail(std::move(next).error().context("redirected"));
  if (status <= 303) {
    if (method_ != "HEAD") method_ = "GET";
    body_.clear();
  }
  visit(std::move(*next));
}

void HttpRun::fail(const Error& why) { finish(CheckStatus::Critical, why.message); }

void HttpRun::finish(CheckStatus status, std::string_view what) {
  on_done_({status, fmt::format("HTTP {} {}: {}", method_, definition_.http, what)});
}

}  // namespace mesh::agent
