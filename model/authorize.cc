#include "model/authorize.h"

#include "model/names.h"

namespace mesh::model {

namespace {

void make_key(std::string& key, std::string_view source, std::string_view destination) {
  key.assign(fold_name(source));
  key += '\0';
  key += fold_name(destination);
}

}  // namespace

std::string node_source(std::string_view node_name) { return std::string(kNodeSourcePrefix) + std::string(node_name); }

bool is_node_source(std::string_view source) { return source.starts_with(kNodeSourcePrefix); }

IntentionRules::IntentionRules(const std::vector<const Intention*>& intentions, IntentionAction default_action)
    : default_action_(default_action) {
  std::string key;
  rules_.reserve(intentions.size());
  for (const Intention* intention : intentions) {
    make_key(key, intention->source, intention->destination);
    // The state machine keeps the pair unique; should it ever not be, the one that denies counts.
    const auto [at, fresh] =
        rules_.try_emplace(key, Rule{intention->id, intention->action, !intention->permissions.empty()});
    if (!fresh && intention->action == IntentionAction::Deny)
      at->second = Rule{intention->id, intention->action, !intention->permissions.empty()};
  }
}

const IntentionRules::Rule* IntentionRules::find(std::string& key, std::string_view source,
                                                 std::string_view destination) const {
  make_key(key, source, destination);
  const auto found = rules_.find(key);
  return found == rules_.end() ? nullptr : &found->second;
}

Decision IntentionRules::decide(std::string_view source, std::string_view destination) const {
  const bool service = !is_node_source(source);
  const Rule* rule = nullptr;
  if (!rules_.empty()) {
    std::string key;
    rule = find(key, source, destination);
    if (rule == nullptr && service) rule = find(key, kAnyService, destination);
    if (rule == nullptr) rule = find(key, source, kAnyService);
    if (rule == nullptr && service) rule = find(key, kAnyService, kAnyService);
  }
  if (rule == nullptr) {
    if (default_action_ == IntentionAction::Allow) return {true, ReasonCode::Connected, {}};
    return {false, ReasonCode::DeniedByDefault, {}};
  }
  if (rule->action == IntentionAction::Allow && !rule->has_permissions) return {true, ReasonCode::Connected, rule->id};
  return {false, ReasonCode::DeniedByIntention, rule->id};
}

}  // namespace mesh::model
