#include "tests/sim/gossip_profile.h"

#include <fmt/core.h>

namespace mesh::sim {
namespace {

constexpr std::uint32_t kTwoThirds = 666'667;
constexpr HostId kHostsMax = 50;

HostId draw_hosts(Rng& rng) {
  if (rng.below(4) != 0) return static_cast<HostId>(rng.between(2, 12));
  return static_cast<HostId>(rng.between(13, kHostsMax));
}

NetworkProfile draw_network(Rng& rng) {
  NetworkProfile out = calm_network();
  if (rng.chance_ppm(kTwoThirds)) out.loss_ppm = static_cast<std::uint32_t>(rng.below(300'000));
  if (rng.chance_ppm(kTwoThirds)) out.double_ppm = static_cast<std::uint32_t>(rng.below(500'000));
  if (rng.chance_ppm(kTwoThirds)) out.delay_mean = rng.between(microseconds(200), milliseconds(30));
  if (rng.chance_ppm(kTwoThirds)) {
    out.clog_ppm = static_cast<std::uint32_t>(rng.below(5'000));
    out.clog_max = rng.between(milliseconds(10), seconds(3));
  }
  return out;
}

FaultProfile draw_pauses(Rng& rng, FaultProfile out) {
  out.pause_every = rng.between(milliseconds(500), seconds(8));
  out.pause_max = rng.between(milliseconds(200), seconds(16));
  return out;
}

FaultProfile draw_faults(Rng& rng) {
  FaultProfile out;
  if (rng.chance_ppm(kTwoThirds)) {
    out.crash_every = rng.between(seconds(1), seconds(10));
    out.down_max = rng.between(milliseconds(100), seconds(15));
    if (rng.below(4) == 0) out.crash_all_ppm = 50'000;
  }
  if (rng.chance_ppm(kTwoThirds)) out = draw_pauses(rng, out);
  if (rng.chance_ppm(kTwoThirds)) {
    out.partition_every = rng.between(seconds(2), seconds(12));
    out.partition_max = rng.between(seconds(1), seconds(20));
  }
  if (rng.chance_ppm(333'333)) {
    out.clock_jump_every = rng.between(seconds(2), seconds(10));
    out.clock_jump_max = rng.between(milliseconds(100), seconds(60));
  }
  return out;
}

std::string every(const char* what, Duration mean, Duration most) {
  if (mean == Duration(0)) return {};
  return fmt::format(", {} every {} ms up to {} ms", what, to_millis(mean), to_millis(most));
}

}  // namespace

GossipProfile draw_gossip_profile(Rng& rng) {
  GossipProfile out;
  out.hosts = draw_hosts(rng);
  out.faults_for = rng.between(seconds(10), seconds(60));
  out.network = calm_network();
  const std::uint64_t weather = rng.below(8);
  if (weather == 0) out.weather = GossipProfile::Weather::Calm;
  if (weather == 1) {
    out.weather = GossipProfile::Weather::PausesOnly;
    out.faults = draw_pauses(rng, {});
  }
  if (rng.below(2) == 0) out.attributes_every = rng.between(milliseconds(500), seconds(5));
  out.rotate_key = rng.below(3) == 0;
  if (out.weather != GossipProfile::Weather::Storm) return out;
  out.network = draw_network(rng);
  out.faults = draw_faults(rng);
  if (rng.chance_ppm(kTwoThirds)) out.drift_ppm_max = static_cast<std::int64_t>(rng.below(2'000));
  if (rng.chance_ppm(333'333)) out.wall_skew_max = rng.between(milliseconds(1), minutes(5));
  return out;
}

std::string describe(const GossipProfile& p) {
  constexpr const char* kWeather[] = {"calm", "pauses only", "storm"};
  std::string out = fmt::format("{}, {} hosts, {} ms of faults; loss {} ppm, doubles {} ppm, clogs {} ppm, delay {} us",
                                kWeather[static_cast<int>(p.weather)], p.hosts, to_millis(p.faults_for),
                                p.network.loss_ppm, p.network.double_ppm, p.network.clog_ppm,
                                duration_cast<microseconds>(p.network.delay_mean).count());
  out += every("crash", p.faults.crash_every, p.faults.down_max);
  out += every("pause", p.faults.pause_every, p.faults.pause_max);
  out += every("partition", p.faults.partition_every, p.faults.partition_max);
  out += every("clock jump", p.faults.clock_jump_every, p.faults.clock_jump_max);
  out += every("change of attributes", p.attributes_every, Duration(0));
  if (p.rotate_key) out += ", key rotation";
  return out;
}

}  // namespace mesh::sim
