#include "agent/callers/caller_watch.h"

#include <algorithm>
#include <utility>

#include "agent/proxy_feed.h"
#include "base/log.h"
#include "model/names.h"

namespace mesh::agent {

namespace {

std::vector<ServiceProcess> processes_of(const LocalState& local) {
  std::vector<ServiceProcess> all;
  for (const auto& [id, service] : local.services()) {
    ServiceProcess one{id, model::fold_name(service.instance.name), service.instance.process, {}};
    if (const auto ip = dial_ip(service.instance.address))
      for (const model::ServicePort& port : service.instance.ports) one.listens.push_back({*ip, port.port});
    all.push_back(std::move(one));
  }
  return all;
}

}  // namespace

CallerWatch::CallerWatch(net::Loop& loop, std::unique_ptr<HostView> host, MetricRegistry& metrics,
                         UniqueFunction<void()> on_change)
    : finder_(std::make_shared<RuleFinder>(std::move(host))),
      on_change_(std::move(on_change)),
      unknown_(metrics.gauge({.name = "meshd_proxy_services_without_processes",
                              .help = "Services of this host whose processes cannot be told from others."})),
      timer_(loop, [this] { look(); }),
      worker_(loop.ref(), "callers") {}

void CallerWatch::update(const LocalState& local) {
  if (revision_ == local.revision()) return;
  revision_ = local.revision();
  auto services = processes_of(local);
  if (services == services_) return;  // a check has changed
  services_ = std::move(services);
  look();
}

void CallerWatch::look() {
  again_ = looking_;
  if (looking_) return;
  looking_ = true;
  timer_.stop();
  worker_.run([finder = finder_, services = services_] { return finder->find(services); },
              [this](FoundRules rules) { found(std::move(rules)); });
}

void CallerWatch::found(FoundRules found) {
  looking_ = false;
  if (std::exchange(again_, false)) look();
  else if (!services_.empty()) timer_.start_after(kLookInterval);
  tell(found.notes);
  if (*found.rules == *rules_) return;
  const auto before = std::exchange(rules_, std::move(found.rules));
  tell_rules(*before);
  on_change_();
}

void CallerWatch::tell_rules(const proxy::ProcessRules& before) const {
  const auto& old = before.rules();
  for (const proxy::ProcessRule& rule : rules_->rules()) {
    const auto same = [&](const proxy::ProcessRule& one) { return one.service == rule.service && one.uid == rule.uid && one.folder == rule.folder; };
    if (std::none_of(old.begin(), old.end(), same))
      LOG_INFO("these processes act as the service", {"service", rule.service}, {"processes", proxy::describe(rule)});
  }
}

void CallerWatch::tell(const std::map<std::string, CallerNote>& notes) {
  std::size_t unknown = 0;
  for (const auto& [id, note] : notes) {
    if (note.to_fix) ++unknown;
    const auto before = notes_.find(id);
    if (before != notes_.end() && before->second == note) continue;
    if (note.to_fix)
      LOG_WARN("no process can act as this service: its calls count as those of the node", {"service", note.service},
               {"why", note.text}, {"try", "process: {unit: NAME.service} or {user: NAME} in its definition"});
    else
      LOG_INFO("no process acts as this service for now", {"service", note.service}, {"why", note.text});
  }
  notes_ = notes;
  unknown_.set(static_cast<double>(unknown));
}

}  // namespace mesh::agent
