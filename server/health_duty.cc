#include "server/health_duty.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "server/state_machine.h"

namespace mesh::server {

HealthDuty::HealthDuty(Parts parts, std::string self, const NodeHealthOptions& options)
    : parts_(std::move(parts)), health_(options, std::move(self)), timer_(parts_.loop, [this] { look(); }) {
  if (parts_.metrics == nullptr) return;
  verdicts_ = parts_.metrics->counters({.name = "meshd_health_verdicts_total",
                                        .help = "Changes of serfHealth that this leader proposed.",
                                        .labels = {"status"}});
  doubts_ = parts_.metrics->gauge({"meshd_health_doubts", "1 while this leader takes failures of most nodes for its own network's"});
}

void HealthDuty::on_role(bool leader) {
  if (leader && !leads_) health_.lead();
  leads_ = leader;
  if (leads_) return wake();
  timer_.stop();
  doubts_.set(0);
}

void HealthDuty::gossip_started() {
  health_.gossip_started(parts_.loop.now());
  wake();
}

void HealthDuty::on_member(const gossip::MemberEvent& event) {
  health_.on_member(event);
  wake();
}

void HealthDuty::on_changes(const model::ChangeSet& changes) {
  const bool nodes = std::any_of(changes.rows.begin(), changes.rows.end(),
                                 [](const model::RowChange& row) { return row.table_id == model::kTableNodes; });
  if (nodes) wake();
}

// While a command is under way its result wakes.
void HealthDuty::wake() {
  if (leads_ && !proposing_) timer_.start_at(std::max(parts_.loop.now(), looked_at_ + kHealthPace));
}

void HealthDuty::look() {
  looked_at_ = parts_.loop.now();
  model::NodeHealthCommand command;
  command.verdicts = health_.decide(looked_at_, parts_.state());
  if (health_.doubting() != std::exchange(doubted_, health_.doubting()) && doubted_)
    LOG_WARN("most of the pool seems to have failed: this may be this server's own network; failures wait for confirmation");
  doubts_.set(doubted_ ? 1 : 0);
  if (command.verdicts.empty()) return timer_.start_at(std::min(looked_at_ + kHealthInterval, health_.next_deadline()));
  for (const model::NodeVerdict& verdict : command.verdicts) {
    verdicts_.with({enum_text(verdict.status)}).add();
    LOG_INFO("node health", {"node", verdict.node_id.text()}, {"serfHealth", enum_text(verdict.status)}, {"why", verdict.output});
  }
  proposing_ = true;
  parts_.propose(model::make_command(std::move(command)), [this](Result<Bytes> result) { on_result(status_of(result)); });
}

void HealthDuty::on_result(const Status& status) {
  proposing_ = false;
  if (!leads_) return;
  if (status.ok()) return wake();
  LOG_WARN("nodes' health could not be written", {"why", status.error()});
  timer_.start_after(kHealthRetry);
}

}  // namespace mesh::server
