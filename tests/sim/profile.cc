#include "tests/sim/profile.h"

#include <fmt/core.h>

#include <array>

namespace mesh::sim {
namespace {

constexpr std::uint32_t kTwoThirds = 666'667;

std::uint32_t up_to_ppm(Rng& rng, std::uint32_t most) { return static_cast<std::uint32_t>(rng.below(most + 1)); }

NetworkProfile draw_network(Rng& rng) {
  NetworkProfile out = calm_network();
  if (rng.chance_ppm(kTwoThirds)) out.loss_ppm = up_to_ppm(rng, rng.chance_ppm(500'000) ? 30'000 : 300'000);
  if (rng.chance_ppm(kTwoThirds)) out.double_ppm = up_to_ppm(rng, 500'000);
  if (rng.chance_ppm(kTwoThirds)) {
    out.clog_ppm = up_to_ppm(rng, 2'000);
    out.clog_max = rng.between(milliseconds(10), milliseconds(2'000));
  }
  if (rng.chance_ppm(kTwoThirds)) out.delay_mean = rng.between(microseconds(100), milliseconds(30));
  return out;
}

FaultProfile draw_faults(Rng& rng) {
  FaultProfile out;
  if (rng.chance_ppm(kTwoThirds)) {
    out.crash_every = rng.between(milliseconds(300), seconds(8));
    out.down_max = rng.between(milliseconds(10), seconds(4));
    out.crash_all_ppm = up_to_ppm(rng, 200'000);
  }
  if (rng.chance_ppm(kTwoThirds)) {
    out.pause_every = rng.between(milliseconds(300), seconds(8));
    out.pause_max = rng.between(milliseconds(20), seconds(4));
  }
  if (rng.chance_ppm(kTwoThirds)) {
    out.partition_every = rng.between(milliseconds(300), seconds(8));
    out.partition_max = rng.between(milliseconds(50), seconds(5));
  }
  if (rng.chance_ppm(333'333)) {
    out.clock_jump_every = rng.between(milliseconds(500), seconds(10));
    out.clock_jump_max = rng.between(milliseconds(10), seconds(5));
  }
  if (rng.chance_ppm(333'333)) {
    out.disk_full_every = rng.between(milliseconds(500), seconds(8));
    out.disk_full_max = rng.between(milliseconds(50), seconds(3));
  }
  if (rng.chance_ppm(333'333)) out.sync_error_every = rng.between(milliseconds(500), seconds(8));
  if (rng.chance_ppm(kTwoThirds)) out.member_change_every = rng.between(milliseconds(50), seconds(4));
  if (rng.chance_ppm(400'000)) {
    // Damage is promised to be harmless on a minority, so nothing else may take a copy of the log away meanwhile.
    out.rot_ppm = 200'000 + up_to_ppm(rng, 800'000);
    if (rng.below(2) == 0) out.rot_every = rng.between(milliseconds(500), seconds(8));
    out.crash_every = rng.between(milliseconds(200), seconds(3));
    out.down_max = rng.between(milliseconds(10), seconds(2));
    out.member_change_every = Duration(0);
    out.sync_error_every = Duration(0);
  }
  if (rng.chance_ppm(kTwoThirds)) out.transfer_every = rng.between(milliseconds(50), seconds(4));
  return out;
}

DiskProfile draw_disk(Rng& rng) {
  DiskProfile out;
  out.sync_mean = rng.between(microseconds(100), milliseconds(10));
  if (rng.chance_ppm(kTwoThirds)) {
    out.stall_ppm = up_to_ppm(rng, 60'000);
    out.stall_max = rng.between(milliseconds(10), milliseconds(1'500));
  }
  out.lose_ppm = up_to_ppm(rng, 1'000'000);
  out.tear_ppm = up_to_ppm(rng, 1'000'000);
  return out;
}

LoadProfile draw_load(Rng& rng) {
  LoadProfile out;
  out.keys = 1 + rng.below(8);
  out.think_mean = rng.between(milliseconds(1), milliseconds(60));
  out.answer_timeout = rng.between(milliseconds(100), milliseconds(1'500));
  out.read_ppm = 100'000 + up_to_ppm(rng, 600'000);
  out.cas_ppm = up_to_ppm(rng, 200'000);
  out.stray_ppm = up_to_ppm(rng, 300'000);
  out.filler_max = rng.chance_ppm(200'000) ? 20'000 : 200;
  out.tries_max = static_cast<std::uint32_t>(rng.between(1, 8));
  return out;
}

ByteCount draw_bytes(Rng& rng, std::uint64_t low, std::uint64_t high) { return ByteCount(rng.between(low, high)); }

// Limits small enough to be met all the time; what they bound must work at any size.
raft::CoreOptions draw_core(Rng& rng) {
  raft::CoreOptions out;
  if (rng.chance_ppm(kTwoThirds)) {
    out.compact_bytes = draw_bytes(rng, 2'000, 60'000);
    out.compact_tail_bytes = draw_bytes(rng, 0, out.compact_bytes.value() / 2);
  }
  if (rng.chance_ppm(kTwoThirds)) out.append_bytes_max = draw_bytes(rng, 100, 50'000);
  if (rng.chance_ppm(kTwoThirds)) out.memory_bytes_max = draw_bytes(rng, 1'000, 50'000);
  if (rng.chance_ppm(kTwoThirds)) out.inflight_messages_max = static_cast<std::uint32_t>(rng.between(1, 16));
  if (rng.chance_ppm(333'333)) out.apply_bytes_max = draw_bytes(rng, 100, 10'000);
  if (rng.chance_ppm(333'333)) out.inflight_bytes_max = draw_bytes(rng, 100, 20'000);
  return out;
}

DriverProfile draw_driver(Rng& rng) {
  DriverProfile out;
  if (rng.chance_ppm(500'000)) out.apply_max = rng.between(Duration(0), milliseconds(20));
  if (rng.chance_ppm(500'000)) out.gather_max = rng.between(Duration(0), milliseconds(5));
  out.flush_every = rng.between(milliseconds(10), milliseconds(1'000));
  out.apply_entries_max = rng.chance_ppm(500'000) ? rng.between(1, 20) : 1'000;
  out.segment_bytes = 4096 * rng.between(2, 32);
  out.chunk_bytes = rng.between(30, 2'000);
  if (rng.chance_ppm(500'000)) out.fail_ppm = up_to_ppm(rng, 100'000);
  if (rng.chance_ppm(kTwoThirds)) out.lease_read_ppm = up_to_ppm(rng, 1'000'000);
  return out;
}

// A play has the stage to itself: few keys, busy clients that try every server, leases, and no fault besides.
void set_stage(Rng& rng, Profile& out) {
  out.play = static_cast<Play>(1 + rng.below(7));
  out.servers = out.play == Play::SplitChange ? 4 : 3;
  out.spares = 0;
  out.clients = 8;
  out.faults = FaultProfile{};
  out.network = calm_network();
  out.disk.stall_ppm = 0;
  out.load.keys = 1 + rng.below(3);
  out.load.think_mean = rng.between(milliseconds(1), milliseconds(10));
  out.load.answer_timeout = rng.between(milliseconds(50), milliseconds(200));
  out.load.stray_ppm = 300'000;
  out.load.read_ppm = 600'000;
  out.driver.lease_read_ppm = 800'000;
  out.driver.fail_ppm = 0;
  if (out.play != Play::RottenRead) return;
  out.core.compact_bytes = raft::CoreOptions{}.compact_bytes;
  out.core.memory_bytes_max = ByteCount(1'000);
}

std::string every(const char* what, Duration mean, Duration most) {
  if (mean == Duration(0)) return {};
  return fmt::format(", {} every {} ms up to {} ms", what, to_millis(mean), to_millis(most));
}

}  // namespace

NetworkProfile calm_network() {
  NetworkProfile out;
  out.delay_min = microseconds(50);
  out.delay_mean = microseconds(200);
  return out;
}

Profile draw_profile(Rng& rng) {
  constexpr std::array<HostId, 8> kServers{1, 3, 3, 3, 3, 5, 5, 5};
  Profile out;
  out.servers = kServers[rng.below(kServers.size())];
  out.clients = static_cast<HostId>(rng.between(1, 10));
  out.faults_for = rng.between(seconds(5), seconds(25));
  out.load = draw_load(rng);
  out.spares = static_cast<HostId>(rng.below(3));
  out.core = draw_core(rng);
  if (rng.below(16) == 0) {
    out.calm = true;
    out.network = calm_network();
    out.load.answer_timeout = seconds(2);
    out.load.tries_max = 1'000;
    return out;
  }
  out.network = draw_network(rng);
  out.faults = draw_faults(rng);
  out.disk = draw_disk(rng);
  out.driver = draw_driver(rng);
  // What rots while a server runs shows when a follower is fed from the disk.
  if (out.faults.rot_every != Duration(0)) out.core.memory_bytes_max = draw_bytes(rng, 1, 2'000);
  if (rng.below(8) == 0) set_stage(rng, out);
  // A lease rests on clocks that run at nearly one speed: CLOCK_MONOTONIC does not jump on a sound machine.
  if (out.faults.clock_jump_every != Duration(0)) out.driver.lease_read_ppm = 0;
  if (rng.chance_ppm(kTwoThirds)) out.drift_ppm_max = static_cast<std::int64_t>(rng.below(2'000));
  return out;
}

std::string describe(const Profile& p) {
  std::string out = fmt::format(
      "{}+{} servers, {} clients, {} keys, {} ms of faults; loss {} ppm, doubles {} ppm, clogs {} ppm, delay {} us, sync {} "
      "us, stalls {} ppm, lost {} ppm, torn {} ppm, compaction at {} B",
      p.servers, p.spares, p.clients, p.load.keys, to_millis(p.faults_for), p.network.loss_ppm, p.network.double_ppm,
      p.network.clog_ppm, duration_cast<microseconds>(p.network.delay_mean).count(),
      duration_cast<microseconds>(p.disk.sync_mean).count(), p.disk.stall_ppm, p.disk.lose_ppm, p.disk.tear_ppm,
      p.core.compact_bytes.value());
  if (p.play != Play::None) out += fmt::format(", play {}", static_cast<int>(p.play));
  out += every("crash", p.faults.crash_every, p.faults.down_max);
  out += every("pause", p.faults.pause_every, p.faults.pause_max);
  out += every("partition", p.faults.partition_every, p.faults.partition_max);
  out += every("clock jump", p.faults.clock_jump_every, p.faults.clock_jump_max);
  out += every("full disk", p.faults.disk_full_every, p.faults.disk_full_max);
  out += every("sync error", p.faults.sync_error_every, Duration(0));
  if (p.faults.rot_ppm != 0) out += fmt::format(", rot {} ppm", p.faults.rot_ppm);
  out += every("rot", p.faults.rot_every, Duration(0));
  out += every("member change", p.faults.member_change_every, Duration(0));
  out += every("transfer", p.faults.transfer_every, Duration(0));
  return out;
}

}  // namespace mesh::sim
