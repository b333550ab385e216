#include "agent/sync.h"

#include <algorithm>

namespace mesh::agent {
namespace {

template <class Row>
bool same_row(const Row& wanted, const Row& present) {
  Row bare = present;
  bare.create_index = 0;
  bare.modify_index = 0;
  return bare == wanted;
}

model::ServiceInstance wanted_instance(const model::ServiceInstance& local, const model::ServiceInstance* present) {
  model::ServiceInstance wanted = local;
  if (wanted.enable_tag_override && present != nullptr) wanted.tags = present->tags;
  return wanted;
}

bool differs_in_output_only(const model::Check& wanted, const model::Check& present) {
  model::Check same = present;
  same.output = wanted.output;
  return same_row(wanted, same);
}

class Differ {
 public:
  Differ(const LocalState& local, const model::Catalog& catalog) : local_(local), catalog_(catalog) {}

  SyncPlan run() {
    compare_node();
    compare_services();
    compare_checks();
    find_removals();
    return std::move(plan_);
  }

 private:
  model::RegisterCommand& registration() {
    if (!plan_.registration) {
      plan_.registration.emplace();
      plan_.registration->node = local_.node();
    }
    return *plan_.registration;
  }

  [[nodiscard]] bool full() const {
    if (!plan_.registration) return false;
    const std::size_t objects = plan_.registration->services.size() + plan_.registration->checks.size();
    return objects >= kSyncObjectsMax || bytes_ >= kSyncBytesMax;
  }

  void compare_node() {
    const model::Node* present = catalog_.node(local_.node().id);
    if (present != nullptr && same_row(local_.node(), *present)) return;
    registration();
    plan_.outputs_only = false;
  }

  void compare_services() {
    for (const auto& [id, service] : local_.services()) {
      if (full()) return;
      const model::ServiceInstance* present = catalog_.instance(local_.node().id, id);
      const model::ServiceInstance wanted = wanted_instance(service.instance, present);
      if (present != nullptr && same_row(wanted, *present)) continue;
      bytes_ += encode(wanted).size();
      registration().services.push_back(wanted);
      plan_.outputs_only = false;
    }
  }

  void compare_checks() {
    for (const auto& [id, check] : local_.checks()) {
      if (full()) return;
      const model::Check* present = catalog_.check(local_.node().id, id);
      if (present != nullptr && same_row(check.row, *present)) continue;
      bytes_ += encode(check.row).size();
      registration().checks.push_back(check.row);
      if (present == nullptr || !differs_in_output_only(check.row, *present)) plan_.outputs_only = false;
    }
  }

  // The checks of a removed instance go with it, so they are no removals of their own.
  void find_removals() {
    for (const model::ServiceInstance* present : catalog_.instances_on(local_.node().id)) {
      if (local_.services().contains(present->id)) continue;
      if (plan_.removals.size() < kSyncRemovalsMax) remove(present->id, {});
    }
    for (const model::Check* present : catalog_.checks_on(local_.node().id)) {
      const bool keep = present->check_id == model::kSerfHealth || local_.checks().contains(present->check_id);
      const bool goes_along = !present->service_id.empty() && !local_.services().contains(present->service_id);
      if (!keep && !goes_along && plan_.removals.size() < kSyncRemovalsMax) remove({}, present->check_id);
    }
  }

  void remove(std::string service_id, std::string check_id) {
    model::DeregisterCommand removal;
    removal.node = local_.node().id.text();
    removal.service_id = std::move(service_id);
    removal.check_id = std::move(check_id);
    plan_.removals.push_back(std::move(removal));
    plan_.outputs_only = false;
  }

  const LocalState& local_;
  const model::Catalog& catalog_;
  SyncPlan plan_;
  std::size_t bytes_ = 0;  // of the rows in the registration
};

std::vector<model::Command> commands_of(SyncPlan plan) {
  std::vector<model::Command> commands;
  for (auto& removal : plan.removals) commands.push_back(model::make_command(std::move(removal)));
  if (plan.registration) commands.push_back(model::make_command(std::move(*plan.registration)));
  return commands;
}

}  // namespace

SyncPlan diff(const LocalState& local, const model::Catalog& catalog) { return Differ(local, catalog).run(); }

std::vector<model::Command> Sync::on_local(MonoTime now, LocalState local) {
  local_ = std::move(local);
  return state_ == State::Resting ? compare(now) : std::vector<model::Command>();
}

std::vector<model::Command> Sync::on_replica(MonoTime now, model::Catalog catalog) {
  catalog_ = std::move(catalog);
  const bool settled = state_ == State::Settling && catalog_->index() >= written_index_;
  const bool servers_back = state_ == State::Backoff && catalog_->index() > failed_index_ && last_error_->code == Code::Unavailable;
  if (state_ == State::Waiting || state_ == State::Resting || settled || servers_back) return compare(now);
  return {};
}

std::vector<model::Command> Sync::on_done(MonoTime now, Result<std::uint64_t> index) {
  CHECK(state_ == State::Writing && outstanding_ > 0, "an answer that nobody waits for");
  --outstanding_;
  if (index.ok()) written_index_ = std::max(written_index_, index.value());
  else round_error_ = std::move(index).error();
  if (outstanding_ > 0) return {};
  if (round_error_) {
    back_off(now, *std::exchange(round_error_, std::nullopt));
    return {};
  }
  state_ = State::Settling;
  deadline_ = now + kSyncSettleMax;
  if (catalog_->index() >= written_index_) return compare(now);
  return {};
}

std::vector<model::Command> Sync::on_tick(MonoTime now) {
  if (now < deadline_) return {};
  deadline_ = kNever;
  if (state_ == State::Settling) {
    back_off(now, error(Code::Unavailable, "the catalog's replica does not show write {} after {} s", written_index_,
                        duration_cast<seconds>(kSyncSettleMax).count()));
    return {};
  }
  if (state_ == State::Backoff || state_ == State::Resting) return compare(now);
  return {};
}

// REQUIRES catalog_. Starts a round if something differs.
std::vector<model::Command> Sync::compare(MonoTime now) {
  SyncPlan plan = diff(local_, *catalog_);
  deadline_ = kNever;
  if (plan.empty() || plan.outputs_only) {
    state_ = State::Resting;
    synced_revision_ = local_.revision();
    backoff_ = kSyncBackoffMin;
    last_error_.reset();
    if (plan.empty()) return {};
    if (now < outputs_at_) {
      deadline_ = outputs_at_;
      return {};
    }
  }
  state_ = State::Writing;
  outputs_at_ = now + kSyncOutputInterval;
  auto commands = commands_of(std::move(plan));
  outstanding_ = commands.size();
  return commands;
}

void Sync::back_off(MonoTime now, Error why) {
  last_error_ = std::move(why);
  state_ = State::Backoff;
  failed_index_ = catalog_->index();
  deadline_ = now + rng_.between(backoff_ / 2, backoff_);
  backoff_ = std::min(backoff_ * 2, kSyncBackoffMax);
}

}  // namespace mesh::agent
