// Which units can stand for a service: whose processes are one program's, as far as the unit's name tells. Units that start
// what users or other packages ask for (cron, supervisors, logins, container engines) cannot: whoever gets a program started
// there would be the service. Pure; any thread.
#pragma once

#include <string_view>

namespace mesh::agent {

// A .service that is not known to start programs of many. Scopes never: they hold what somebody else has started. To add a
// name: kStarters in the .cc, and docs/configuration.md.
[[nodiscard]] bool stands_for_itself(std::string_view unit);

}  // namespace mesh::agent
