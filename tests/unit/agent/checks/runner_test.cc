#include "agent/checks/runner.h"

#include <fmt/core.h>

#include <vector>

#include "tests/unit/net/net_fixture.h"

namespace mesh::agent {
namespace {

using model::CheckStatus;

struct Report {
  std::string id;
  CheckStatus status;
  std::string output;
};

// Accepts connections and keeps none; counts them.
struct Target {
  explicit Target(net::Loop& loop) {
    auto made = net::StreamListener::listen(loop, net::any_loopback_port(), {}, [this](auto) { ++accepted; });
    REQUIRE(made.ok());
    listener = std::move(*made);
  }
  [[nodiscard]] std::string where() const { return listener->local().to_string(); }

  int accepted = 0;
  std::unique_ptr<net::StreamListener> listener;
};

// A peer of HTTP checks that never answers: their runs last until their timeout.
struct Silent {
  explicit Silent(net::Loop& loop) {
    auto made = net::StreamListener::listen(loop, net::any_loopback_port(), {}, [this](std::unique_ptr<net::Stream> stream) {
      streams.push_back(std::move(stream));
    });
    REQUIRE(made.ok());
    listener = std::move(*made);
  }

  std::vector<std::unique_ptr<net::Stream>> streams;
  std::unique_ptr<net::StreamListener> listener;
};

struct Fixture {
  explicit Fixture(std::size_t runs_max = kCheckRunsMax)
      : runner(loop, Rng(1),
               {.on_result =
                    [this](const std::string& id, CheckStatus status, std::string_view output) {
                      reports.push_back({id, status, std::string(output)});
                      if (LocalCheck check = *checks.find(id); true) {
                        check.row.status = status;
                        checks.set(id, std::move(check));
                      }
                      if (on_report) on_report();
                    },
                .on_expired = [this](const model::CheckDefinition& check) { expired(check); },
                .runs_max = runs_max}) {}

  // As LocalState would: with the checks of the service gone.
  void expired(const model::CheckDefinition& check) {
    expired_services.push_back(check.service_id);
    checks = {};
    runner.update(checks);
  }
  void put(const model::CheckDefinition& definition, CheckStatus status = CheckStatus::Critical) {
    LocalCheck check{.definition = definition, .row = {}};
    check.row.status = status;
    checks.set(definition.check_id, std::move(check));
    runner.update(checks);
  }
  template <class Condition>
  bool wait(Condition condition) {
    return net::wait_for(loop, condition);
  }

  net::Loop loop{"test"};
  LocalState::Checks checks;
  std::vector<Report> reports;
  std::vector<std::string> expired_services;
  UniqueFunction<void()> on_report;
  CheckRunner runner;
};

model::CheckDefinition tcp_check(std::string id, std::string where, Duration interval = milliseconds(2)) {
  model::CheckDefinition definition;
  definition.check_id = std::move(id);
  definition.tcp = std::move(where);
  definition.interval = interval;
  definition.timeout = seconds(10);
  return definition;
}

model::CheckDefinition silent_check(std::string id, const Silent& silent, Duration timeout) {
  model::CheckDefinition definition;
  definition.check_id = std::move(id);
  definition.http = fmt::format("http://{}/", silent.listener->local().to_string());
  definition.interval = milliseconds(1);
  definition.timeout = timeout;
  return definition;
}

model::CheckDefinition ttl_check(std::string id, Duration ttl) {
  model::CheckDefinition definition;
  definition.check_id = std::move(id);
  definition.ttl = ttl;
  return definition;
}

TEST_CASE("a check runs again and again until it is gone") {
  Fixture f;
  Target target(f.loop);
  f.put(tcp_check("alive", target.where()));
  REQUIRE(f.wait([&] { return f.reports.size() >= 3; }));
  EXPECT_EQ(f.reports[2].id, "alive");
  EXPECT_EQ(f.reports[2].status, CheckStatus::Passing);
  EXPECT_GE(f.runner.counts().runs_total, 3u);
  EXPECT_EQ(f.runner.counts().failures_total, 0u);
  f.checks = {};
  f.runner.update(f.checks);
  EXPECT_EQ(f.runner.checks(), 0u);
  EXPECT_EQ(f.runner.runs_active(), 0u);
  const auto reported = f.reports.size();
  net::settle(f.loop, 20);
  EXPECT_EQ(f.reports.size(), reported);
}

TEST_CASE("a status changes when its row of results is long enough") {
  Fixture f;
  auto target = std::make_unique<Target>(f.loop);
  auto definition = tcp_check("alive", target->where());
  definition.success_before_passing = 3;
  definition.failures_before_critical = 2;
  f.put(definition);
  REQUIRE(f.wait([&] { return !f.reports.empty(); }));
  EXPECT_EQ(f.reports[0].status, CheckStatus::Passing);
  EXPECT_EQ(f.runner.counts().runs_total, 3u);
  target.reset();
  f.reports.clear();
  REQUIRE(f.wait([&] { return !f.reports.empty() && f.reports.back().status == CheckStatus::Critical; }));
  EXPECT_GE(f.runner.counts().failures_total, 2u);
}

TEST_CASE("one check never runs twice at a time, and a run ends with its interval at the latest") {
  Fixture f;
  Silent silent(f.loop);
  auto definition = silent_check("slow", silent, hours(1));
  definition.interval = milliseconds(5);
  f.put(definition);
  std::size_t active_max = 0;
  REQUIRE(f.wait([&] {
    active_max = std::max(active_max, f.runner.runs_active());
    return f.reports.size() >= 3;
  }));
  EXPECT_EQ(active_max, 1u);
  EXPECT_EQ(f.reports[0].status, CheckStatus::Critical);
  EXPECT(f.reports[0].output.find("in time") != std::string::npos);
}

TEST_CASE("runs above the limit wait their turn, and a check that is gone leaves the queue") {
  Fixture f(2);
  Silent silent(f.loop);
  for (int n = 0; n < 5; ++n) {
    auto definition = silent_check(fmt::format("check-{}", n), silent, {});
    definition.interval = milliseconds(40);
    f.put(definition);
  }
  REQUIRE(f.wait([&] { return f.runner.runs_waiting() >= 1; }));
  EXPECT_EQ(f.runner.runs_active(), 2u);
  std::size_t active_max = 0;
  REQUIRE(f.wait([&] {
    active_max = std::max(active_max, f.runner.runs_active());
    return f.runner.counts().runs_total >= 8;
  }));
  EXPECT_EQ(active_max, 2u);
  for (int n = 0; n < 5; ++n) {
    const auto id = fmt::format("check-{}", n);
    EXPECT(std::any_of(f.reports.begin(), f.reports.end(), [&](const Report& report) { return report.id == id; }));
  }
  EXPECT_GE(f.runner.counts().waits_total, 1u);
  f.checks = {};
  f.runner.update(f.checks);
  EXPECT_EQ(f.runner.runs_waiting(), 0u);
  EXPECT_EQ(f.runner.runs_active(), 0u);
}

TEST_CASE("the first runs of many checks are spread over the interval") {
  Fixture f;
  Target target(f.loop);
  // With an hour between runs and a seed that is fixed, none of them is due within this test.
  for (int n = 0; n < 100; ++n) f.put(tcp_check(fmt::format("check-{}", n), target.where(), hours(1)));
  net::settle(f.loop, 20);
  EXPECT_EQ(f.runner.counts().runs_total, 0u);
  EXPECT_EQ(f.runner.runs_active(), 0u);
}

TEST_CASE("a changed definition restarts the check and keeps its status, the same one changes nothing") {
  Fixture f;
  Target target(f.loop);
  auto definition = tcp_check("alive", target.where());
  f.put(definition);
  REQUIRE(f.wait([&] { return !f.reports.empty(); }));
  definition.interval = hours(1);
  f.put(definition, CheckStatus::Passing);
  EXPECT_EQ(f.runner.checks(), 1u);
  const auto reported = f.reports.size();
  f.put(definition, CheckStatus::Passing);
  net::settle(f.loop, 20);
  EXPECT_EQ(f.reports.size(), reported);  // neither a report by the restart nor a run
}

TEST_CASE("a check may be removed inside its own report") {
  Fixture f;
  Target target(f.loop);
  f.on_report = [&] {
    f.checks = {};
    f.runner.update(f.checks);
  };
  f.put(tcp_check("alive", target.where()));
  REQUIRE(f.wait([&] { return f.runner.checks() == 0; }));
  net::settle(f.loop);
  EXPECT_EQ(f.reports.size(), 1u);
}

TEST_CASE("a ttl check becomes critical once when no report comes, a report gives it a new time") {
  Fixture f;
  f.put(ttl_check("heart", milliseconds(10)), CheckStatus::Passing);
  REQUIRE(f.wait([&] { return f.reports.size() == 1; }));
  EXPECT_EQ(f.reports[0].status, CheckStatus::Critical);
  EXPECT_EQ(f.reports[0].output, "no report within the TTL of 10ms");
  f.runner.ttl_reported("HEART");
  REQUIRE(f.wait([&] { return f.reports.size() == 2; }));
  EXPECT_EQ(f.runner.counts().ttl_missed_total, 2u);
  f.runner.ttl_reported("unknown");
}

TEST_CASE("a service whose check stays critical is told, once") {
  Fixture f;
  auto definition = ttl_check("heart", milliseconds(5));
  definition.service_id = "web";
  definition.deregister_after = milliseconds(20);
  f.put(definition, CheckStatus::Passing);
  REQUIRE(f.wait([&] { return !f.expired_services.empty(); }));
  EXPECT_EQ(f.expired_services, std::vector<std::string>{"web"});
  EXPECT_EQ(f.reports.size(), 1u);  // critical first
  EXPECT_EQ(f.runner.checks(), 0u);
  EXPECT_EQ(f.runner.counts().services_expired_total, 1u);
}

TEST_CASE("a check without a kind is not run") {
  Fixture f;
  model::CheckDefinition outside;
  outside.check_id = "outside";
  f.put(outside);
  EXPECT_EQ(f.runner.checks(), 0u);
}

TEST_CASE("a runner may go while its checks run and wait") {
  net::Loop loop{"test"};
  Silent silent(loop);
  auto runner = std::make_unique<CheckRunner>(
      loop, Rng(1),
      CheckRunner::Options{.on_result = [](const std::string&, CheckStatus, std::string_view) {},
                           .on_expired = [](const model::CheckDefinition&) {},
                           .runs_max = 1});
  LocalState::Checks checks;
  for (int n = 0; n < 3; ++n) {
    auto definition = silent_check(fmt::format("check-{}", n), silent, {});
    definition.interval = milliseconds(50);
    checks.set(definition.check_id, LocalCheck{.definition = definition, .row = {}});
  }
  runner->update(checks);
  REQUIRE(net::wait_for(loop, [&] { return runner->runs_active() == 1 && runner->runs_waiting() == 2; }));
  runner.reset();
  net::settle(loop);
}

}  // namespace
}  // namespace mesh::agent
