#include "agent/checks/status.h"

#include <string>

#include "tests/test.h"

namespace mesh::agent {
namespace {

using model::CheckStatus;

constexpr MonoTime kStart{seconds(100)};

CheckStatus from_letter(char letter) {
  if (letter == 'p') return CheckStatus::Passing;
  return letter == 'w' ? CheckStatus::Warning : CheckStatus::Critical;
}

char to_letter(CheckStatus status) { return enum_text(status).front(); }

struct Thresholds {
  std::uint32_t passing = 0;
  std::uint32_t warning = 0;
  std::uint32_t critical = 0;
};

model::CheckDefinition definition_with(const Thresholds& thresholds) {
  model::CheckDefinition definition;
  definition.success_before_passing = thresholds.passing;
  definition.failures_before_warning = thresholds.warning;
  definition.failures_before_critical = thresholds.critical;
  return definition;
}

// One letter for each result: the status after it, '.' where the result did not count.
std::string run(const Thresholds& thresholds, char first, std::string_view results) {
  StatusCore core(definition_with(thresholds), from_letter(first), kStart);
  std::string out;
  for (const char result : results) {
    const CheckStatus before = core.status();
    const auto status = core.on_result(kStart, from_letter(result));
    EXPECT_EQ(core.status(), status.value_or(before));
    out.push_back(status ? to_letter(*status) : '.');
  }
  return out;
}

TEST_CASE("results become a status by the thresholds of the check") {
  struct Row {
    Thresholds thresholds;
    char first;
    std::string_view results;
    std::string_view expected;
  };
  const Row rows[] = {
      {{}, 'c', "pwcp", "pwcp"},                          // defaults: each result counts
      {{1, 1, 1}, 'c', "pwcp", "pwcp"},                   // the same, said aloud
      {{3, 0, 0}, 'c', "pppp", "..pp"},                   // the third success in a row
      {{3, 0, 0}, 'c', "ppcppp", "..c..p"},               // a failure ends the row
      {{3, 0, 0}, 'c', "pwp", "..p"},                     // a warning is a success
      {{2, 0, 0}, 'p', "wwpw", ".wpw"},                   // and counts as one from passing, too
      {{0, 0, 3}, 'p', "cccc", "..cc"},                   // the third failure in a row; no warning unless asked for
      {{0, 0, 3}, 'p', "ccpccc", "..p..c"},               // a success ends the row
      {{0, 1, 3}, 'p', "ccc", "wwc"},                     // warning first
      {{0, 2, 4}, 'p', "ccccc", ".wwcc"},                 //
      {{0, 2, 4}, 'p', "cpcccc", ".p.wwc"},               //
      {{0, 3, 2}, 'p', "ccc", ".cc"},                     // a higher number for warning is without effect
      {{2, 1, 3}, 'c', "pcpp", "...p"},                   // failing does not improve what is critical
      {{0, 0, 2}, 'c', "ccp", ".cp"},                     //
  };
  for (const Row& row : rows) {
    CAPTURE(row.results);
    EXPECT_EQ(run(row.thresholds, row.first, row.results), row.expected);
  }
}

TEST_CASE("a changed definition keeps the status and counts anew") {
  StatusCore core(definition_with({.critical = 2}), CheckStatus::Passing, kStart);
  EXPECT_FALSE(core.on_result(kStart, CheckStatus::Critical).has_value());
  core.redefine(definition_with({.critical = 2}));
  EXPECT_EQ(core.status(), CheckStatus::Passing);
  EXPECT_FALSE(core.on_result(kStart, CheckStatus::Critical).has_value());
  EXPECT_EQ(core.on_result(kStart, CheckStatus::Critical), CheckStatus::Critical);
}

model::CheckDefinition expiring(Duration after) {
  model::CheckDefinition definition;
  definition.service_id = "web";
  definition.deregister_after = after;
  return definition;
}

TEST_CASE("a check expires after it has been critical for deregister_after without a break") {
  StatusCore core(expiring(minutes(1)), CheckStatus::Critical, kStart);
  EXPECT_EQ(core.expires_at(), kStart + minutes(1));  // critical from its registration
  (void)core.on_result(kStart + seconds(10), CheckStatus::Critical);
  EXPECT_EQ(core.expires_at(), kStart + minutes(1));  // still the same time
  (void)core.on_result(kStart + seconds(20), CheckStatus::Warning);
  EXPECT_EQ(core.expires_at(), kNever);
  (void)core.on_result(kStart + seconds(30), CheckStatus::Critical);
  EXPECT_EQ(core.expires_at(), kStart + seconds(90));
  core.set_status(kStart + seconds(40), CheckStatus::Critical);
  EXPECT_EQ(core.expires_at(), kStart + seconds(90));
  core.redefine(expiring(minutes(2)));  // counted from when it became critical
  EXPECT_EQ(core.expires_at(), kStart + seconds(150));
  core.set_status(kStart + seconds(50), CheckStatus::Passing);
  EXPECT_EQ(core.expires_at(), kNever);
}

TEST_CASE("a check without deregister_after, or of no service, never expires") {
  EXPECT_EQ(StatusCore(expiring({}), CheckStatus::Critical, kStart).expires_at(), kNever);
  auto of_node = expiring(minutes(1));
  of_node.service_id.clear();
  EXPECT_EQ(StatusCore(of_node, CheckStatus::Critical, kStart).expires_at(), kNever);
  EXPECT_EQ(StatusCore(expiring(Duration::max()), CheckStatus::Critical, kStart).expires_at(), kNever);
}

}  // namespace
}  // namespace mesh::agent
