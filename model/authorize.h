// Who may call whom: the intentions of the catalog, compiled, and the one function that decides. Pure: the data plane, the
// HTTP API (intention check) and `meshctl explain` call the same code, so they cannot disagree.
//
// A source is a service name, or "node/NAME" for a process that is no service. Precedence is Consul's: the rule that names
// source and destination, then "*" to the destination, then the source to "*", then "*" to "*"; the first that exists
// decides. "*" as a source means services only: a node needs a rule that names it. Names are compared without ASCII case.
//
// An intention with HTTP permissions denies where the connection is opaque TCP (as Consul has it): what it permits cannot
// be seen there.
//
// Immutable once built; any thread. Cost of a decision: at most four hash look-ups in a table of the rules.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model/intention.h"
#include "model/reason_code.h"

namespace mesh::model {

inline constexpr std::string_view kNodeSourcePrefix = "node/";
[[nodiscard]] std::string node_source(std::string_view node_name);
[[nodiscard]] bool is_node_source(std::string_view source);

struct Decision {
  bool allowed = false;
  ReasonCode reason = ReasonCode::DeniedByDefault;  // Connected if allowed
  std::string rule;                                 // id of the intention that decided; empty: the default did
};

class IntentionRules {
 public:
  // No rules, default deny.
  IntentionRules() = default;
  IntentionRules(const std::vector<const Intention*>& intentions, IntentionAction default_action);

  // For a whole connection. source and destination: a name, not "*".
  [[nodiscard]] Decision decide(std::string_view source, std::string_view destination) const;

  [[nodiscard]] std::size_t size() const { return rules_.size(); }
  [[nodiscard]] IntentionAction default_action() const { return default_action_; }

 private:
  struct Rule {
    std::string id;
    IntentionAction action;
    bool has_permissions;
  };
  [[nodiscard]] const Rule* find(std::string& key, std::string_view source, std::string_view destination) const;

  std::unordered_map<std::string, Rule> rules_;  // by folded source, NUL, folded destination
  IntentionAction default_action_ = IntentionAction::Deny;
};

}  // namespace mesh::model
