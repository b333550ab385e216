// What one run of a gossip pool is made of, drawn from its seed. One run in eight is calm; one in eight has processes
// that stop now and then and nothing else, so that a failure declared of one that did not stop shows as what it is. Values.
#pragma once

#include <string>

#include "base/rng.h"
#include "base/time.h"
#include "gossip/options.h"
#include "tests/sim/network.h"
#include "tests/sim/profile.h"

namespace mesh::sim {

struct GossipProfile {
  enum class Weather : std::uint8_t { Calm, PausesOnly, Storm };
  Weather weather = Weather::Storm;
  HostId hosts = 3;
  Duration faults_for = seconds(30);
  NetworkProfile network;
  FaultProfile faults;
  std::int64_t drift_ppm_max = 0;
  Duration wall_skew_max{};   // of a host's wall clock, anew at each start, both ways
  Duration attributes_every{};  // some member changes what it says of itself; zero: never
  bool rotate_key = false;
  gossip::CoreOptions core{};
};

[[nodiscard]] GossipProfile draw_gossip_profile(Rng& rng);
[[nodiscard]] std::string describe(const GossipProfile& profile);

}  // namespace mesh::sim
