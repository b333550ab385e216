// RuleFinder: the definitions of this host's services and what the host shows become rules about processes.
//
// With `process:` in the definition: what it names, all of it (unit or cgroup: the folder and everything below it). The
// service is guarded from then on, whether or not such a process runs.
// Without: the unit of the process that listens on the service's first port that anybody listens on, and in it that process's
// user unless it is root (whose workers have another); not a unit that another service has too or that is known to start
// programs of many (shared_unit.h). Where there is no such unit: that process's user, if it is not root and no other service
// has it. What was found last holds while nobody listens, so that a program which restarts is known before it listens again.
//
// Of two rules the narrower decides: a deeper cgroup, then a written user, then a written rule before a default.
//
// Thread: the one that may block; see HostView.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/callers/host_view.h"
#include "agent/proxy/process_rules.h"
#include "model/service.h"
#include "net/address.h"

namespace mesh::agent {

// A service instance of this host, as far as its processes go.
struct ServiceProcess {
  std::string id;
  std::string service;  // folded
  model::ProcessMatch rule;
  std::vector<net::Address> listens;  // the main port first

  friend bool operator==(const ServiceProcess&, const ServiceProcess&) = default;
};

// Why nobody can be told to be the service.
struct CallerNote {
  std::string service;
  std::string text;
  bool to_fix = false;  // it will not pass by itself

  friend bool operator==(const CallerNote&, const CallerNote&) = default;
};

struct FoundRules {
  std::shared_ptr<const proxy::ProcessRules> rules;
  std::map<std::string, CallerNote> notes;  // by instance id
};

class RuleFinder {
 public:
  explicit RuleFinder(std::unique_ptr<HostView> host) : host_(std::move(host)) {}

  [[nodiscard]] FoundRules find(const std::vector<ServiceProcess>& services);

 private:
  // What the listening process showed.
  struct Listener {
    std::optional<uid_t> uid;
    std::string unit;
    std::string place;  // a unit that stands for nobody; empty: none
  };
  struct Round;

  void look_at_listener(Round& round, const ServiceProcess& service);
  void find_written(Round& round, const ServiceProcess& service);
  void find_default(Round& round, const ServiceProcess& service);
  void use_unit(Round& round, const ServiceProcess& service, const Listener& listener);
  static void use_user(Round& round, const ServiceProcess& service, const Listener& listener);
  static std::string_view below_root(Round& round, const proxy::ProcessRule& rule);
  // Makes the rule ask for the unit; false: it does not run, and the rule names where it would be.
  bool name_unit(Round& round, const std::string& unit, proxy::ProcessRule& rule);

  std::unique_ptr<HostView> host_;
  std::map<std::string, Listener> listeners_;  // by instance id: the last one seen
  std::map<std::string, std::string> units_;   // path of the cgroup by unit, as it was seen last
};

}  // namespace mesh::agent
