// What other loops may ask of the agent loop: changes of this node's local state. An abstract seam, so that the HTTP
// API is tested without an agent.
//
// Called on the caller's loop; done fires once on that loop, never from inside the call. Success means: the change is
// in the local state (a registration also on disk, if the agent has a data directory), in the catalog, and in a published
// view; when no server answers within kControlSyncWait, it means only the first (the change is synced later, as Consul's
// agent does). Errors as LocalState's.
#pragma once

#include <string>

#include "base/function.h"
#include "base/result.h"
#include "base/time.h"
#include "model/check.h"
#include "model/service.h"

namespace mesh::agent {

inline constexpr Duration kControlSyncWait = seconds(2);

class AgentControl {
 public:
  using Done = UniqueFunction<void(Status)>;

  struct ServiceRegistration {
    model::ServiceDefinition definition;
    bool replace_existing_checks = false;
  };
  struct CheckReport {
    std::string check_id;
    model::CheckStatus status = model::CheckStatus::Critical;
    std::string output;
  };

  virtual ~AgentControl() = default;
  virtual void register_service(ServiceRegistration registration, Done done) = 0;
  virtual void deregister_service(std::string service_id, Done done) = 0;
  virtual void register_check(model::CheckDefinition definition, Done done) = 0;
  virtual void deregister_check(std::string check_id, Done done) = 0;
  // Of a TTL check; Precondition for a check that the agent runs itself.
  virtual void report_check(CheckReport report, Done done) = 0;
  // Takes this node and all that is on it out of the catalog; nothing is written for it any more. Errors: the servers'.
  virtual void leave(Done done) = 0;
};

}  // namespace mesh::agent
