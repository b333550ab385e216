// Looks at the host for what the facts ask. Blocking: reads /proc and files, asks the host's resolver for at most some
// seconds; on a thread of its own. What cannot be looked at is said in the facts, never an error.
#pragma once

#include "agent/doctor/facts.h"

namespace mesh::agent {

inline constexpr int kResolverTries = 1;         // per nameserver
inline constexpr int kResolverSeconds = 1;       // per try

void look_at_host(DoctorFacts& facts);

}  // namespace mesh::agent
