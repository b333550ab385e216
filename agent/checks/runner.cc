#include "agent/checks/runner.h"

#include <fmt/format.h>

#include "base/time_text.h"
#include "net/loop.h"
#include "net/timer.h"

namespace mesh::agent {

// A TTL check: a timer that every report pushes back.
class CheckRunner::Running {
 public:
  Running(CheckRunner& runner, const model::CheckDefinition& definition)
      : runner_(runner), definition_(definition), timer_(runner.loop_, [this] { expired(); }) {
    restart();
  }

  [[nodiscard]] const model::CheckDefinition& definition() const { return definition_; }
  void restart() { timer_.start_after(definition_.ttl); }

 private:
  void expired() {
    runner_.on_result_(definition_.check_id, model::CheckStatus::Critical,
                       fmt::format("no report within the TTL of {}", format_duration(definition_.ttl)));
  }

  CheckRunner& runner_;
  model::CheckDefinition definition_;
  net::Timer timer_;
};

CheckRunner::CheckRunner(net::Loop& loop, Rng rng, OnResult on_result)
    : loop_(loop), rng_(std::move(rng)), on_result_(std::move(on_result)) {}

CheckRunner::~CheckRunner() = default;

void CheckRunner::update(const LocalState::Checks& checks) {
  for (auto it = running_.begin(); it != running_.end();) {
    const LocalCheck* wanted = checks.find(it->first);
    if (wanted != nullptr && wanted->definition == it->second->definition()) {
      ++it;
    } else {
      loop_.destroy_later(std::move(it->second));
      it = running_.erase(it);
    }
  }
  for (const auto& [id, check] : checks) {
    if (check.definition.ttl == Duration{} || running_.contains(id)) continue;
    running_.emplace(id, std::make_unique<Running>(*this, check.definition));
  }
}

void CheckRunner::ttl_reported(std::string_view check_id) {
  if (const auto found = running_.find(check_id); found != running_.end()) found->second->restart();
}

}  // namespace mesh::agent
