#include "agent/checks/http_run.h"

#include <fmt/core.h>

#include <charconv>
#include <optional>

#include "net/http1/server.h"
#include "tests/unit/net/net_fixture.h"

namespace mesh::agent {
namespace {

using model::CheckStatus;
using net::kTestPatience;

struct Handler final : net::HttpHandler {
  void handle(net::HttpRequest request, const net::HttpPeer&, std::unique_ptr<net::HttpExchange> exchange) override {
    last = request;
    ++requests;
    const std::string_view path = request.path();
    if (path == "/never") {
      kept = std::move(exchange);
    } else if (path == "/large") {
      exchange->reply(net::text_response(200, std::string(1 << 20, 'x')));
    } else if (path.starts_with("/status/")) {
      exchange->reply(net::text_response(number_in(path), "the body"));
    } else if (path.starts_with("/hop/")) {
      const int left = number_in(path);
      exchange->reply(left == 0 ? net::text_response(200, "arrived") : redirect(302, fmt::format("{}", left - 1)));
    } else if (path.starts_with("/move/")) {
      exchange->reply(redirect(number_in(path), elsewhere.empty() ? "/status/200" : elsewhere));
    }
  }
  static int number_in(std::string_view path) {
    int number = 0;
    const std::string_view digits = path.substr(path.rfind('/') + 1);
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return number;
  }
  static net::HttpResponse redirect(int status, std::string location) {
    net::HttpResponse response;
    response.status = status;
    response.headers.add("Location", std::move(location));
    return response;
  }

  net::HttpRequest last;
  int requests = 0;
  std::string elsewhere;  // where /move/N goes
  std::unique_ptr<net::HttpExchange> kept;
};

struct Fixture {
  Fixture() {
    REQUIRE(server.listen(net::any_loopback_port()).ok());
    REQUIRE(server.listen(net::any_loopback_port()).ok());
  }

  [[nodiscard]] std::string url(std::string_view target, std::size_t endpoint = 0) const {
    return fmt::format("http://{}{}", server.endpoints()[endpoint].to_string(), target);
  }
  [[nodiscard]] model::CheckDefinition check(std::string_view target) const {
    model::CheckDefinition definition;
    definition.http = url(target);
    return definition;
  }
  CheckResult run(const model::CheckDefinition& definition, Duration time = kTestPatience) {
    std::optional<CheckResult> result;
    HttpRun run(loop, client, definition, loop.now() + time, [&](CheckResult found) {
      REQUIRE_FALSE(result.has_value());
      result = std::move(found);
    });
    REQUIRE_FALSE(result.has_value());
    REQUIRE(net::wait_for(loop, [&] { return result.has_value(); }));
    return *result;
  }
  CheckResult get(std::string_view target) { return run(check(target)); }

  net::Loop loop{"test"};
  Handler handler;
  net::Http1Server server{loop, handler};
  net::Http1Client client{loop};
};

bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

TEST_CASE("http check: 2xx is passing, 429 warning, anything else critical") {
  Fixture f;
  struct Row {
    int http;
    CheckStatus status;
  };
  const Row rows[] = {{200, CheckStatus::Passing},  {204, CheckStatus::Passing},  {299, CheckStatus::Passing},
                      {429, CheckStatus::Warning},  {304, CheckStatus::Critical}, {400, CheckStatus::Critical},
                      {404, CheckStatus::Critical}, {500, CheckStatus::Critical}, {503, CheckStatus::Critical}};
  for (const Row& row : rows) {
    CAPTURE(row.http);
    EXPECT_EQ(f.get(fmt::format("/status/{}", row.http)).status, row.status);
  }
}

TEST_CASE("http check: the output has the status line and the start of the body") {
  Fixture f;
  EXPECT_EQ(f.get("/status/503").output,
            fmt::format("HTTP GET {}: 503 Service Unavailable Output: the body\n", f.url("/status/503")));
  const CheckResult large = f.get("/large");
  EXPECT_EQ(large.status, CheckStatus::Passing);
  EXPECT_LT(large.output.size(), model::kCheckOutputMax + 200);
  EXPECT_GT(large.output.size(), model::kCheckOutputMax);
}

TEST_CASE("http check: method, headers, host and body are sent as defined") {
  Fixture f;
  auto definition = f.check("/status/200?deep=1");
  definition.method = "PUT";
  definition.body = "ping";
  definition.header = {{"host", {{"web.example"}}}, {"X-Many", {{"1", "2"}}}};
  EXPECT_EQ(f.run(definition).status, CheckStatus::Passing);
  EXPECT_EQ(f.handler.last.method_text, "PUT");
  EXPECT_EQ(f.handler.last.target, "/status/200?deep=1");
  EXPECT_EQ(f.handler.last.body, "ping");
  EXPECT_EQ(f.handler.last.headers.get("Host"), "web.example");
  EXPECT_EQ(f.handler.last.headers.count("X-Many"), 2u);
  EXPECT_EQ(f.handler.last.headers.get("User-Agent"), "meshd health check");
  EXPECT_EQ(f.client.idle_connections(), 0u);
}

TEST_CASE("http check: ten redirects are followed, not eleven") {
  Fixture f;
  const CheckResult ten = f.get("/hop/10");
  EXPECT_EQ(ten.status, CheckStatus::Passing);
  EXPECT(has(ten.output, "200 OK Output: arrived"));
  f.handler.requests = 0;
  const CheckResult eleven = f.get("/hop/11");
  EXPECT_EQ(eleven.status, CheckStatus::Critical);
  EXPECT(has(eleven.output, "more than 10 redirects"));
  EXPECT_EQ(f.handler.requests, 11);
}

TEST_CASE("http check: with disable_redirects a redirect is the result") {
  Fixture f;
  auto definition = f.check("/hop/1");
  definition.disable_redirects = true;
  const CheckResult result = f.run(definition);
  EXPECT_EQ(result.status, CheckStatus::Critical);
  EXPECT(has(result.output, "302 Found"));
  EXPECT_EQ(f.handler.requests, 1);
}

TEST_CASE("http check: 303 goes on with GET, 307 repeats the request") {
  Fixture f;
  auto definition = f.check("/move/303");
  definition.method = "POST";
  definition.body = "ping";
  EXPECT_EQ(f.run(definition).status, CheckStatus::Passing);
  EXPECT_EQ(f.handler.last.method_text, "GET");
  EXPECT_EQ(f.handler.last.body, "");
  definition.http = f.url("/move/307");
  EXPECT_EQ(f.run(definition).status, CheckStatus::Passing);
  EXPECT_EQ(f.handler.last.method_text, "POST");
  EXPECT_EQ(f.handler.last.body, "ping");
}

TEST_CASE("http check: a redirect to another place does not collect the check's headers") {
  Fixture f;
  auto definition = f.check("/move/302");
  definition.header = {{"Authorization", {{"secret"}}}, {"Host", {{"web.example"}}}};
  EXPECT_EQ(f.run(definition).status, CheckStatus::Passing);
  EXPECT_EQ(f.handler.last.headers.get("Authorization"), "secret");
  f.handler.elsewhere = f.url("/status/200", 1);
  EXPECT_EQ(f.run(definition).status, CheckStatus::Passing);
  EXPECT_FALSE(f.handler.last.headers.get("Authorization").has_value());
  EXPECT_EQ(f.handler.last.headers.get("Host"), f.server.endpoints()[1].to_string());
}

TEST_CASE("http check: no answer in time, no connection, no HTTP URL and https are critical with their reason") {
  Fixture f;
  const CheckResult late = f.run(f.check("/never"), milliseconds(20));
  EXPECT_EQ(late.status, CheckStatus::Critical);
  EXPECT(has(late.output, "in time"));
  model::CheckDefinition closed;
  closed.http = "http://127.0.0.1:1/";
  EXPECT_EQ(f.run(closed).status, CheckStatus::Critical);
  EXPECT(has(f.run(closed).output, "127.0.0.1:1"));
  model::CheckDefinition bad;
  bad.http = "http:///health";
  EXPECT(has(f.run(bad).output, "has no host"));
  bad.http = "https://127.0.0.1/health";
  EXPECT_EQ(f.run(bad).status, CheckStatus::Critical);
  EXPECT(has(f.run(bad).output, "not offered yet"));
  f.handler.elsewhere = "https://127.0.0.1/health";
  EXPECT(has(f.get("/move/302").output, "redirected: checks of https URLs are not offered yet"));
}

TEST_CASE("http check: a name with several addresses is tried until one takes the connection") {
  Fixture f;
  model::CheckDefinition definition;
  definition.http = fmt::format("http://localhost:{}/status/200", f.server.endpoints()[0].address().port);
  EXPECT_EQ(f.run(definition).status, CheckStatus::Passing);  // ::1, where nobody listens, is often the first
}

TEST_CASE("http check: a destroyed run is silent") {
  Fixture f;
  auto run = std::make_unique<HttpRun>(f.loop, f.client, f.check("/never"), f.loop.now() + kTestPatience,
                                       [](const CheckResult&) { FAIL("cancelled"); });
  REQUIRE(net::wait_for(f.loop, [&] { return f.handler.kept != nullptr; }));
  run.reset();
  net::settle(f.loop);
}

}  // namespace
}  // namespace mesh::agent
