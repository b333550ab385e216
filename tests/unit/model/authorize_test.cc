#include "model/authorize.h"

#include "tests/test.h"

namespace mesh::model {

namespace {

Intention rule(std::string source, std::string destination, IntentionAction action) {
  Intention intention;
  intention.id = source + ">" + destination;
  intention.source = std::move(source);
  intention.destination = std::move(destination);
  intention.action = action;
  return intention;
}

IntentionRules rules_of(const std::vector<Intention>& rows, IntentionAction otherwise = IntentionAction::Deny) {
  std::vector<const Intention*> pointers;
  for (const Intention& row : rows) pointers.push_back(&row);
  return IntentionRules(pointers, otherwise);
}

}  // namespace

TEST_CASE("without an intention the default decides and names no rule") {
  EXPECT_FALSE(IntentionRules().decide("web", "db").allowed);
  EXPECT_EQ(IntentionRules().decide("web", "db").reason, ReasonCode::DeniedByDefault);
  const Decision open = rules_of({}, IntentionAction::Allow).decide("web", "db");
  EXPECT(open.allowed);
  EXPECT_EQ(open.reason, ReasonCode::Connected);
  EXPECT(open.rule.empty());
}

TEST_CASE("the intention of the highest precedence decides, as in Consul") {
  const auto allow = IntentionAction::Allow;
  const auto deny = IntentionAction::Deny;
  struct Row {
    std::vector<Intention> rules;
    std::string_view source, destination, rule;
    bool allowed;
  };
  const Row rows[] = {
      {{rule("web", "db", allow), rule("*", "db", deny)}, "web", "db", "web>db", true},
      {{rule("web", "db", allow), rule("*", "db", deny)}, "api", "db", "*>db", false},
      {{rule("*", "db", allow), rule("web", "*", deny)}, "web", "db", "*>db", true},
      {{rule("web", "*", deny), rule("*", "*", allow)}, "web", "db", "web>*", false},
      {{rule("web", "*", deny), rule("*", "*", allow)}, "api", "db", "*>*", true},
      {{rule("web", "db", deny), rule("*", "*", allow)}, "WEB", "Db", "web>db", false},
      {{rule("Web", "DB", allow)}, "web", "db", "Web>DB", true},
      {{rule("web", "db", allow)}, "db", "web", "", false},
      {{rule("we", "bdb", allow)}, "web", "db", "", false},
  };
  for (const Row& row : rows) {
    const Decision decision = rules_of(row.rules).decide(row.source, row.destination);
    EXPECT_EQ(decision.allowed, row.allowed);
    EXPECT_EQ(decision.rule, row.rule);
    if (!row.rule.empty() && !row.allowed) EXPECT_EQ(decision.reason, ReasonCode::DeniedByIntention);
  }
}

TEST_CASE("a node is a source only for intentions that name it") {
  const auto allow = IntentionAction::Allow;
  EXPECT_EQ(node_source("host-a"), "node/host-a");
  EXPECT(is_node_source("node/host-a"));
  EXPECT_FALSE(is_node_source("node"));
  const auto everybody = rules_of({rule("*", "db", allow), rule("*", "*", allow)});
  EXPECT(everybody.decide("web", "db").allowed);
  EXPECT_FALSE(everybody.decide("node/host-a", "db").allowed);
  EXPECT_EQ(everybody.decide("node/host-a", "db").reason, ReasonCode::DeniedByDefault);
  EXPECT(rules_of({rule("node/host-a", "db", allow)}).decide("node/Host-A", "db").allowed);
  EXPECT(rules_of({rule("node/host-a", "*", allow)}).decide("node/host-a", "db").allowed);
  EXPECT_FALSE(rules_of({rule("node/host-b", "db", allow)}).decide("node/host-a", "db").allowed);
  EXPECT(rules_of({}, allow).decide("node/host-a", "db").allowed);
}

TEST_CASE("an intention with HTTP permissions denies an opaque connection") {
  Intention http = rule("web", "db", IntentionAction::Allow);
  http.permissions.push_back({IntentionAction::Allow, {}});
  const Decision decision = rules_of({http, rule("*", "*", IntentionAction::Allow)}, IntentionAction::Allow)
                                .decide("web", "db");
  EXPECT_FALSE(decision.allowed);
  EXPECT_EQ(decision.rule, "web>db");
}

TEST_CASE("reason codes keep their numbers and names; unknown numbers are INTERNAL") {
  EXPECT_EQ(enum_text(ReasonCode::NoRoute), "NO_ROUTE");
  EXPECT_EQ(reason_code_of(20), ReasonCode::DeniedByIntention);
  EXPECT_EQ(reason_code_of(0), ReasonCode::Connected);
  EXPECT_EQ(reason_code_of(59), ReasonCode::Internal);
  EXPECT_EQ(reason_code_of(256 + 20), ReasonCode::Internal);
}

}  // namespace mesh::model
