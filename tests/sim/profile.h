// What one run is made of, drawn from its seed: sizes, load, network, disk and how often which fault strikes. Each
// kind of fault is left out of about a third of the runs, so that no kind always hides another; one run in sixteen
// has none at all and shows the cluster in good weather. Values only.
#pragma once

#include <cstdint>
#include <string>

#include "base/rng.h"
#include "base/time.h"
#include "raft/options.h"
#include "tests/sim/client.h"
#include "tests/sim/network.h"

namespace mesh::sim {

// A script of faults that the run repeats (plays.h).
enum class Play : std::uint8_t { None, SplitChange, HastyVoter, LateAnswers, DeafHandOver, RottenCut, UnheardRepair, RottenRead };

// Mean time between faults of a kind over the whole cluster; zero: never.
struct FaultProfile {
  Duration crash_every{};
  Duration down_max{};
  std::uint32_t crash_all_ppm = 0;  // a crash takes all servers (the power is lost)
  Duration pause_every{};
  Duration pause_max{};
  Duration partition_every{};
  Duration partition_max{};
  Duration clock_jump_every{};
  Duration clock_jump_max{};
  Duration disk_full_every{};
  Duration disk_full_max{};
  Duration sync_error_every{};
  std::uint32_t rot_ppm = 0;  // chance of a crash to leave a flipped bit in the log, on less than half of the servers
  Duration rot_every{};       // the same on a server that runs
  Duration member_change_every{};
  Duration transfer_every{};
};

struct DiskProfile {
  Duration sync_min = microseconds(100);
  Duration sync_mean = milliseconds(1);   // exponential, on top of sync_min
  std::uint32_t stall_ppm = 0;            // chance of a sync to take up to stall_max
  Duration stall_max{};
  std::uint32_t lose_ppm = 500'000;       // at a crash: an unsynced write is lost
  std::uint32_t tear_ppm = 500'000;       // at a crash: one that is not lost is torn
};

// How a server's driver behaves: what takes how long, what is done in parts.
struct DriverProfile {
  Duration apply_max{};                    // time to apply one batch
  Duration gather_max{};                   // proposals that arrive within it travel together
  Duration flush_every = milliseconds(300);
  std::uint64_t apply_entries_max = 1000;  // in one part
  std::uint64_t chunk_bytes = 1000;        // of a snapshot
  std::uint64_t segment_bytes = 256 * 1024;
  std::uint32_t fail_ppm = 0;              // a snapshot step or a load of entries fails
  std::uint32_t lease_read_ppm = 0;        // reads served by the lease where it is valid
};

struct Profile {
  Play play = Play::None;
  bool calm = false;  // no fault of any kind: one leader for the whole run, every request answered
  HostId servers = 3;
  HostId clients = 4;
  Duration faults_for = seconds(20);
  std::int64_t drift_ppm_max = 0;
  HostId spares = 0;  // further hosts that a membership change may bring in
  raft::CoreOptions core;
  DriverProfile driver;
  NetworkProfile network;
  FaultProfile faults;
  DiskProfile disk;
  LoadProfile load;
};

[[nodiscard]] Profile draw_profile(Rng& rng);
// The network after the faults: what a healthy machine room gives.
[[nodiscard]] NetworkProfile calm_network();

[[nodiscard]] std::string describe(const Profile& profile);

}  // namespace mesh::sim
