#include "agent/agent.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "agent/identity/join.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/names.h"
#include "model/token.h"

namespace mesh::agent {

Agent::Agent(net::Loop& loop, net::RpcChannel& channel, Rng rng, const AgentOptions& options, OnView on_view)
    : loop_(loop),
      options_(options),
      on_view_(std::move(on_view)),
      local_(options.node),
      sync_(local_, rng.fork()),
      servers_(loop, channel, rng.fork()),
      replica_(loop, channel, rng.fork(), options.node.id.text(), [this] { replica_changed(); }),
      checks_(loop, rng.fork(),
              {.on_result = [this](const std::string& id, model::CheckStatus status,
                                   std::string_view output) { check_result(id, status, output); },
               .on_expired = [this](const model::CheckDefinition& check) { check_expired(check); }}),
      sync_timer_(loop,
                  [this] {
                    send(sync_.on_tick(loop_.now()));
                    refresh();
                  }),
      waiter_timer_(loop, [this] { refresh(); }),
      status_timer_(loop, [this] { ask_status(); }) {
  if (!options_.data_dir.empty()) disk_ = std::make_unique<net::BlockingWorker>(loop_.ref(), "agent-disk");
  publish();
}

Agent::~Agent() {
  if (store_) store_->flush(local_);
  if (cache_) cache_->flush();
}

Status Agent::start(const std::vector<model::ServiceDefinition>& services) {
  for (const auto& service : services)
    MESH_TRY_STATUS(local_.add_service(service, {.source = Source::File})
                        .context("while registering service '{}' of the configuration", service.name));
  if (disk_) restore();
  leave_out_forbidden();
  local_changed();
  replica_.start();
  ask_status();
  return {};
}

// Here and at registration, since the servers refuse a whole write for one service in it.
Status Agent::check_allowed(const std::string& service) const {
  if (options_.services_allowed.empty() || model::service_allowed(options_.services_allowed, service)) return {};
  return error(Code::Denied, "this node's join token does not allow service '{}' (allowed: {}); join with another token",
               service, fmt::join(options_.services_allowed, ", "));
}

void Agent::leave_out_forbidden() {
  const LocalState all = local_;
  for (const auto& [id, service] : all.services()) {
    const Status allowed = check_allowed(service.instance.name);
    if (allowed.ok()) continue;
    LOG_ERROR("service left out", {"service", id}, {"why", allowed.error()});
    (void)local_.remove_service(id);
  }
}

// Behind the configuration, whose services win over those that were kept.
void Agent::restore() {
  store_ = std::make_unique<LocalStore>(loop_, *disk_, options_.data_dir, [this] { release_waiters(); });
  cache_ = std::make_unique<CatalogCache>(
      loop_, *disk_, CatalogCache::Options{.data_dir = options_.data_dir, .cluster_id = options_.cluster_id});
  const WallTime now = wall_now();
  if (const auto stored = store_->load(options_.node.id)) {
    for (const std::string& refused : restore_local(*stored, now, local_))
      LOG_WARN("a registration kept from the last run is no longer possible", {"what", refused});
  }
  if (auto cached = cache_->load()) {
    const Duration age = std::max(Duration{}, now - cached->fresh_at);
    LOG_INFO("starting with the catalog of the last run", {"index", cached->catalog.index()}, {"age", age});
    replica_.restore(std::move(cached->catalog), loop_.now() - age);
  }
}

void Agent::register_service(const AgentControl::ServiceRegistration& registration, AgentControl::Done done) {
  if (Status allowed = check_allowed(registration.definition.name); !allowed.ok()) return done(std::move(allowed));
  registered(local_.add_service(registration.definition, {.source = Source::Api,
                                                          .replace_existing_checks = registration.replace_existing_checks}),
             std::move(done));
}

void Agent::deregister_service(const std::string& service_id, AgentControl::Done done) {
  registered(local_.remove_service(service_id), std::move(done));
}

void Agent::register_check(const model::CheckDefinition& definition, AgentControl::Done done) {
  registered(local_.add_check(definition, Source::Api), std::move(done));
}

void Agent::deregister_check(const std::string& check_id, AgentControl::Done done) {
  registered(local_.remove_check(check_id), std::move(done));
}

void Agent::report_check(const AgentControl::CheckReport& report, AgentControl::Done done) {
  const LocalCheck* check = local_.checks().find(report.check_id);
  if (check != nullptr && check->definition.ttl == Duration{})
    return done(error(Code::Precondition, "check '{}' is run by the agent; only a check with a TTL takes reports",
                      report.check_id));
  const bool turned = check != nullptr && check->row.status != report.status;
  const auto result = local_.report_check(report.check_id, report.status, report.output);
  if (!result.ok()) return done(result.error());
  checks_.ttl_reported(report.check_id);
  if (turned && store_) store_->status_changed(local_);
  changed(0, std::move(done));
}

// A member ends its membership, and its rows go with that.
model::Command Agent::leave_command() const {
  model::MemberRevokeCommand command;
  command.node_id = options_.node.id;
  return model::make_command(std::move(command));
}

void Agent::leave(AgentControl::Done done) {
  if (options_.cluster_id.empty())
    return done(error(Code::Precondition, "this agent has joined no mesh ('meshd dev'): it leaves none, Ctrl-C ends it"));
  left_ = true;
  left_at_ = loop_.now();
  servers_.apply(leave_command(), loop_.now() + kLeaveTimeout,
                 [this, done = std::move(done)](Result<model::CommandResult> result) mutable {
                   Status status;
                   if (!result.ok()) status = std::move(result).error();
                   left_ = status.ok();
                   done(std::move(status));
                 });
}

Status Agent::replace_services(const std::vector<model::ServiceDefinition>& services) {
  std::vector<std::string> gone;
  for (const auto& [id, service] : local_.services()) {
    const auto same = [&key = id](const model::ServiceDefinition& s) {
      return model::fold_name(s.id.empty() ? s.name : s.id) == model::fold_name(key);
    };
    if (service.source == Source::File && std::none_of(services.begin(), services.end(), same)) gone.push_back(id);
  }
  for (const std::string& id : gone) MESH_TRY_STATUS(local_.remove_service(id));
  Status first;
  for (const auto& service : services) {
    Status added = local_.add_service(service, {.source = Source::File, .replace_existing_checks = true})
                       .context("while registering service '{}' of the configuration", service.name);
    if (first.ok()) first = std::move(added);
  }
  leave_out_forbidden();
  if (store_) store_->changed(local_);  // a service of the API may have become one of the configuration
  local_changed();
  return first;
}

void Agent::check_result(const std::string& check_id, model::CheckStatus status, std::string_view output) {
  const LocalCheck* check = local_.checks().find(check_id);
  const bool turned = check != nullptr && check->row.status != status;
  const auto result = local_.report_check(check_id, status, output);
  if (turned && store_) store_->status_changed(local_);
  // A check that was deregistered while its last run was under way is of no interest.
  if (result.ok() && result.value()) local_state_changed();
}

void Agent::check_expired(const model::CheckDefinition& check) {
  if (!local_.remove_service(check.service_id).ok()) return;
  LOG_WARN("service deregistered: its check has been critical for too long", {"service", check.service_id},
           {"check", check.check_id}, {"deregister_critical_service_after", check.deregister_after});
  if (store_) store_->changed(local_);
  local_changed();
}

// After a request: an error goes back at once, success when the disk, the catalog and a view have it.
void Agent::registered(Status status, AgentControl::Done done) {
  if (!status.ok()) return done(std::move(status));
  if (store_) store_->changed(local_);
  changed(store_ ? local_.revision() : 0, std::move(done));
}

void Agent::changed(std::uint64_t saved_revision, AgentControl::Done done) {
  if (waiters_.size() >= kControlWaitersMax) {
    done({});
  } else {
    waiters_.push_back({local_.revision(), saved_revision, loop_.now() + kControlSyncWait, std::move(done)});
  }
  local_changed();
}

void Agent::local_changed() {
  checks_.update(local_.checks());
  local_state_changed();
}

// Without the checks, which know what they have reported.
void Agent::local_state_changed() {
  send(sync_.on_local(loop_.now(), local_));
  refresh();
}

void Agent::replica_changed() {
  if (cache_ && replica_.ready())
    cache_->changed(replica_.catalog(), wall_now() - (loop_.now() - replica_.fresh_at()));
  send(sync_.on_replica(loop_.now(), replica_.catalog()));
  refresh();
}

void Agent::send(std::vector<model::Command> commands) {
  if (left_) return;
  for (auto& command : commands)
    servers_.apply(std::move(command), loop_.now() + kSyncWriteTimeout,
                   [this](Result<model::CommandResult> result) { written(std::move(result)); });
}

void Agent::written(Result<model::CommandResult> result) {
  if (!result.ok()) LOG_WARN("this node's state could not be written to the catalog", {"why", result.error()});
  send(sync_.on_done(loop_.now(), result.ok() ? Result<std::uint64_t>(result->index) : std::move(result).error()));
  refresh();
}

void Agent::set_members(MembersPtr members) {
  members_ = std::move(members);
  publish();
}

void Agent::ask_status() {
  servers_.status(loop_.now() + kStatusInterval, [this, asked = mono_now()](Result<model::StatusResponse> response) {
    leader_ = response.ok() ? response->leader : std::string();
    if (response.ok()) take_clock(response->time, mono_now() - asked);
    else if (model::says_removed(response.error())) return told_removed();
    status_timer_.start_after(leader_.empty() ? kStatusRetry : kStatusInterval);
    refresh();
  });
}

// Such a node is refused everywhere, so nothing that it still does is of use. One that leaves is given time to end in order.
void Agent::told_removed() {
  status_timer_.start_after(kStatusInterval);
  if (!on_removed_ || (left_ && loop_.now() < left_at_ + kLeftGrace)) return;
  auto tell = std::exchange(on_removed_, {});
  tell(error(Code::Denied,
             "this node ({}) was removed from the mesh, by a 'meshctl leave' that did not come to its end or by 'meshctl cluster remove' "
             "on another host, and stops; run 'meshctl leave --force' to remove its keys and state from {}, then it may join again",
             options_.node.name, options_.data_dir));
}

// The server read its clock somewhere within the time that the call took; tries of the call make that longer, so that a
// slow one says nothing.
void Agent::take_clock(WallTime servers, Duration took) {
  if (servers == WallTime{} || took > kClockCallMax) return;
  clock_ahead_ = wall_now() - took / 2 - servers;
  const std::string warning = clock_warning(*clock_ahead_);
  if (!warning.empty() && !clock_told_) LOG_WARN("this host's clock is off", {"what", warning});
  clock_told_ = !warning.empty();
}

void Agent::refresh() {
  publish();
  release_waiters();
  arm_timers();
}

void Agent::publish() {
  auto next = std::make_shared<AgentView>(AgentView{.datacenter = options_.node.datacenter,
                                                    .domain = options_.domain,
                                                    .local = local_,
                                                    .catalog = replica_.catalog(),
                                                    .replica_ready = replica_.ready(),
                                                    .connected = replica_.connected(),
                                                    .fresh_at = replica_.fresh_at(),
                                                    .leader = leader_,
                                                    .members = members_,
                                                    .clock_ahead = clock_ahead_});
  view_ = std::move(next);
  on_view_(view_);
}

void Agent::release_waiters() {
  const MonoTime now = loop_.now();
  std::vector<AgentControl::Done> released;
  std::erase_if(waiters_, [&](Waiter& waiter) {
    const bool held = waiter.revision > sync_.synced_revision() || (store_ && waiter.saved_revision > store_->saved_revision());
    if (held && waiter.deadline > now) return false;
    released.push_back(std::move(waiter.done));
    return true;
  });
  for (auto& done : released) done({});
}

void Agent::arm_timers() {
  sync_timer_.start_at(sync_.next_deadline());
  MonoTime first = kNever;
  for (const Waiter& waiter : waiters_) first = std::min(first, waiter.deadline);
  waiter_timer_.start_at(first);
}

AgentHandle::AgentHandle(net::Loop& own, net::Loop& agent_loop, Agent& agent)
    : own_(own.ref()), agent_loop_(agent_loop.ref()), agent_(agent) {}

template <class Request>
void AgentHandle::ask(Request request, Done done) {
  agent_loop_.post([this, request = std::move(request), done = std::move(done)]() mutable {
    request(agent_, [own = own_, done = std::move(done)](Status status) mutable {
      own.post([done = std::move(done), status = std::move(status)]() mutable { done(std::move(status)); });
    });
  });
}

void AgentHandle::register_service(ServiceRegistration registration, Done done) {
  ask([r = std::move(registration)](Agent& agent, Done d) { agent.register_service(r, std::move(d)); }, std::move(done));
}

void AgentHandle::deregister_service(std::string service_id, Done done) {
  ask([id = std::move(service_id)](Agent& agent, Done d) { agent.deregister_service(id, std::move(d)); }, std::move(done));
}

void AgentHandle::register_check(model::CheckDefinition definition, Done done) {
  ask([c = std::move(definition)](Agent& agent, Done d) { agent.register_check(c, std::move(d)); }, std::move(done));
}

void AgentHandle::deregister_check(std::string check_id, Done done) {
  ask([id = std::move(check_id)](Agent& agent, Done d) { agent.deregister_check(id, std::move(d)); }, std::move(done));
}

void AgentHandle::report_check(CheckReport report, Done done) {
  ask([r = std::move(report)](Agent& agent, Done d) { agent.report_check(r, std::move(d)); }, std::move(done));
}

void AgentHandle::leave(Done done) {
  ask([](Agent& agent, Done d) { agent.leave(std::move(d)); }, std::move(done));
}

}  // namespace mesh::agent
