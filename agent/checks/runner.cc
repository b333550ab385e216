#include "agent/checks/runner.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/checks/http_run.h"
#include "agent/checks/status.h"
#include "agent/checks/tcp_run.h"
#include "base/time_text.h"
#include "net/loop.h"
#include "net/timer.h"

namespace mesh::agent {
namespace {

Duration interval_of(const model::CheckDefinition& definition) {
  return definition.interval == Duration{} ? model::kCheckIntervalDefault : definition.interval;
}

Duration run_time_of(const model::CheckDefinition& definition) {
  const Duration wanted = definition.timeout == Duration{} ? model::kCheckTimeoutDefault : definition.timeout;
  return std::min({wanted, interval_of(definition), kCheckRunTimeMax});
}

}  // namespace

// One check: idle until its timer, then perhaps waiting for a turn, then running, then idle again. A TTL check is only
// ever idle; its timer means that no report came.
class CheckRunner::Scheduled {
 public:
  Scheduled(CheckRunner& runner, const LocalCheck& check)
      : runner_(runner),
        definition_(check.definition),
        status_(check.definition, check.row.status, runner.loop_.now()),
        timer_(runner.loop_, [this] { is_ttl() ? ttl_missed() : runner_.due(*this); }),
        expiry_(runner.loop_, [this] { expired(); }) {
    start();
  }

  [[nodiscard]] const model::CheckDefinition& definition() const { return definition_; }
  [[nodiscard]] bool is_ttl() const { return definition_.ttl != Duration{}; }

  void update(MonoTime now, const LocalCheck& check);
  void restart_ttl();
  void run();
  void stop();

 private:
  void start();
  void ttl_missed();
  void finished(const CheckResult& result);
  void expired();
  void watch_expiry() { expiry_.start_at(status_.expires_at()); }

  CheckRunner& runner_;
  model::CheckDefinition definition_;
  StatusCore status_;
  MonoTime started_{};  // the last run
  net::Timer timer_;
  net::Timer expiry_;
  std::unique_ptr<CheckRun> run_;
};

void CheckRunner::Scheduled::start() {
  timer_.start_after(is_ttl() ? definition_.ttl : runner_.rng_.between(Duration{}, interval_of(definition_)));
  watch_expiry();
}

void CheckRunner::Scheduled::update(MonoTime now, const LocalCheck& check) {
  status_.set_status(now, check.row.status);
  if (check.definition == definition_) return watch_expiry();
  stop();
  definition_ = check.definition;
  status_.redefine(definition_);
  start();
}

void CheckRunner::Scheduled::restart_ttl() {
  if (is_ttl()) timer_.start_after(definition_.ttl);
}

// Cancels what is under way and gives its place to another check.
void CheckRunner::Scheduled::stop() {
  timer_.stop();
  expiry_.stop();
  runner_.forget_waiting(*this);
  if (run_ == nullptr) return;
  run_.reset();
  runner_.run_ended();
}

void CheckRunner::Scheduled::ttl_missed() {
  ++runner_.counts_.ttl_missed_total;
  status_.set_status(runner_.loop_.now(), model::CheckStatus::Critical);
  watch_expiry();
  runner_.options_.on_result(definition_.check_id, model::CheckStatus::Critical,
                             fmt::format("no report within the TTL of {}", format_duration(definition_.ttl)));
}

void CheckRunner::Scheduled::run() {
  started_ = runner_.loop_.now();
  run_ = runner_.start_run(definition_, [this](const CheckResult& result) { finished(result); });
}

void CheckRunner::Scheduled::finished(const CheckResult& result) {
  const MonoTime now = runner_.loop_.now();
  runner_.loop_.destroy_later(std::move(run_));
  timer_.start_after(interval_of(definition_) - (now - started_));
  ++runner_.counts_.runs_total;
  if (result.status == model::CheckStatus::Critical) ++runner_.counts_.failures_total;
  runner_.run_ended();
  const auto status = status_.on_result(now, result.status);
  watch_expiry();
  if (status) runner_.options_.on_result(definition_.check_id, *status, result.output);
}

void CheckRunner::Scheduled::expired() {
  ++runner_.counts_.services_expired_total;
  runner_.options_.on_expired(definition_);
}

CheckRunner::CheckRunner(net::Loop& loop, Rng rng, Options options)
    : loop_(loop), rng_(std::move(rng)), options_(std::move(options)), http_(loop) {
  CHECK(options_.runs_max > 0, "a runner that runs nothing");
}

CheckRunner::~CheckRunner() = default;

void CheckRunner::update(const LocalState::Checks& checks) {
  for (auto it = scheduled_.begin(); it != scheduled_.end();) {
    if (checks.contains(it->first)) {
      ++it;
      continue;
    }
    it->second->stop();
    loop_.destroy_later(std::move(it->second));  // this may be inside one of its callbacks
    it = scheduled_.erase(it);
  }
  const MonoTime now = loop_.now();
  for (const auto& [id, check] : checks) {
    if (const auto found = scheduled_.find(id); found != scheduled_.end()) {
      found->second->update(now, check);
    } else if (!model::check_type(check.definition).empty()) {
      scheduled_.emplace(id, std::make_unique<Scheduled>(*this, check));
    }
  }
}

void CheckRunner::ttl_reported(std::string_view check_id) {
  if (const auto found = scheduled_.find(check_id); found != scheduled_.end()) found->second->restart_ttl();
}

std::unique_ptr<CheckRun> CheckRunner::start_run(const model::CheckDefinition& definition, CheckRun::OnDone on_done) {
  const MonoTime deadline = loop_.now() + run_time_of(definition);
  if (!definition.tcp.empty()) return std::make_unique<TcpRun>(loop_, definition, deadline, std::move(on_done));
  return std::make_unique<HttpRun>(loop_, http_, definition, deadline, std::move(on_done));
}

void CheckRunner::due(Scheduled& check) {
  if (active_ >= options_.runs_max) {
    ++counts_.waits_total;
    waiting_.push_back(&check);
    return;
  }
  ++active_;
  check.run();
}

void CheckRunner::run_ended() {
  --active_;
  if (waiting_.empty()) return;
  Scheduled* const next = waiting_.front();
  waiting_.pop_front();
  ++active_;
  next->run();
}

void CheckRunner::forget_waiting(const Scheduled& check) { std::erase(waiting_, &check); }

}  // namespace mesh::agent
