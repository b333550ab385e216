#include "agent/checks/tcp_run.h"

#include <fmt/core.h>

#include <optional>

#include "tests/unit/net/net_fixture.h"

namespace mesh::agent {
namespace {

using model::CheckStatus;
using net::kTestPatience;

struct Fixture {
  CheckResult run(std::string tcp) {
    model::CheckDefinition definition;
    definition.tcp = std::move(tcp);
    std::optional<CheckResult> result;
    TcpRun run(loop, definition, loop.now() + kTestPatience, [&](CheckResult found) {
      REQUIRE_FALSE(result.has_value());
      result = std::move(found);
    });
    REQUIRE_FALSE(result.has_value());
    REQUIRE(net::wait_for(loop, [&] { return result.has_value(); }));
    return *result;
  }

  net::Loop loop{"test"};
};

TEST_CASE("tcp check: passing while something listens, critical afterwards") {
  Fixture f;
  auto listener = net::StreamListener::listen(f.loop, net::any_loopback_port(), {}, [](auto) {});
  REQUIRE(listener.ok());
  const std::string where = (*listener)->local().to_string();
  const CheckResult open = f.run(where);
  EXPECT_EQ(open.status, CheckStatus::Passing);
  EXPECT_EQ(open.output, fmt::format("TCP {}: connected to {}", where, where));
  EXPECT_EQ(f.run(fmt::format("localhost:{}", (*listener)->local().address().port)).status, CheckStatus::Passing);
  listener->reset();
  const CheckResult closed = f.run(where);
  EXPECT_EQ(closed.status, CheckStatus::Critical);
  EXPECT(closed.output.starts_with("TCP " + where + ": while connecting"));
}

TEST_CASE("tcp check: a target without a port and a name that does not resolve are critical") {
  Fixture f;
  EXPECT_EQ(f.run("localhost").output, "TCP localhost: \"localhost\" has no port: write host:port");
  EXPECT_EQ(f.run(std::string(300, 'x') + ":80").status, CheckStatus::Critical);
}

}  // namespace
}  // namespace mesh::agent
