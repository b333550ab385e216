// Times and limits of gossip. How the times were chosen: docs/decisions/gossip.md.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/result.h"
#include "base/time.h"

namespace mesh::gossip {

struct CoreOptions {
  // One member is probed each interval. A probe is one ping, and after direct_timeout a second one together with
  // indirect_members relays and a TCP stream; it has failed probe_timeout after its start. All three times are
  // multiplied by 1 + health score (Lifeguard).
  Duration probe_interval = milliseconds(500);
  Duration direct_timeout = milliseconds(150);
  Duration probe_timeout = milliseconds(400);
  std::uint32_t indirect_members = 3;
  std::uint32_t health_score_max = 7;

  // A suspicion ends between suspicion_min * max(1, log10(n)) * max(1, health score) and suspicion_max_factor times that, the sooner the more
  // members confirm it independently; suspicion_confirmations of them give the minimum.
  Duration suspicion_min = seconds(1);
  std::uint32_t suspicion_max_factor = 6;
  std::uint32_t suspicion_confirmations = 2;
  // About this many members that hear of a suspicion probe the suspect themselves, at once.
  std::uint32_t verifiers = 6;
  // SuspectNow, and TCP refused by the suspect's host: the suspicion ends after this.
  Duration refused_grace = milliseconds(500);
  // An event handled later than this after its deadline means that this process was stopped: its timers wait as long.
  Duration lag_tolerance = milliseconds(100);

  // Rumors are sent to gossip_members members each interval while there are any, and with every probe and answer. Each is
  // sent retransmit_base + retransmit_factor * ceil(ln(n + 1)) times.
  Duration gossip_interval = milliseconds(100);
  std::uint32_t gossip_members = 3;
  std::uint32_t retransmit_base = 8;
  std::uint32_t retransmit_factor = 2;

  // Exchange of whole tables with one member; the interval grows by one of itself with each doubling above 32 members.
  Duration exchange_interval = seconds(30);
  Duration stream_deadline = seconds(10);
  // A member that failed, or a seed while alone, is tried again each interval.
  Duration reconnect_interval = seconds(5);
  Duration forget_after = hours(24);   // members that failed or left
  Duration leave_time = milliseconds(1000);  // at least; rumors of it may take up to three times as long

  std::size_t members_max = 20'000;    // beyond: the member that is gone longest is forgotten, else the new one refused
  std::size_t probes_max = 64;         // at a time; further suspicions wait
  std::size_t relays_max = 1'024;      // pings for others at a time; beyond: not answered
  std::size_t streams_max = 4;         // exchanges that this member asks for at a time
  std::size_t seeds_max = 64;

  // Code::Invalid with the name of the option that does not fit.
  [[nodiscard]] Status validate() const;
};

}  // namespace mesh::gossip
