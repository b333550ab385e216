// Plays: short scripts of faults that force what chance hardly ever brings together. A run is given one play or none
// (profile.h); it repeats it, with the details drawn anew, while nothing else strikes.
//
//   SplitChange    a leader that is cut off removes a voter; the next one removes another before it has committed anything, and
//                  each goes on with the half that its change would suffice for
//   HastyVoter     one voter's clock jumps, so that it asks for votes while the others hear the leader, who is deaf meanwhile
//   LateAnswers    the leader's heartbeats are answered late; then it can no longer be heard, but goes on hearing old answers
//   DeafHandOver   a leader that hands over hears nothing of the next one
//   RottenCut      a leader that was cut off comes back; what its log cut off then comes back by rot, at a short restart
//   UnheardRepair  what a follower with a rotten log answers is lost from the moment that it holds entries again until it is
//                  whole; then nothing strikes any more, so that this leader itself must find out
//   RottenRead     the leader's log rots while it runs and a follower is away, which then needs what only the leader's disk holds
//
// To add one: the enumerator, its two steps here, its needs in set_stage() of profile.cc. One thread; queue, network and
// target must outlive it.
#pragma once

#include <cstdint>

#include "base/rng.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/faults.h"
#include "tests/sim/network.h"
#include "tests/sim/profile.h"

namespace mesh::sim {

class Plays {
 public:
  Plays(EventQueue& queue, Network& network, FaultTarget& target, Rng rng, Play play)
      : queue_(queue), network_(network), target_(target), rng_(rng), play_(play) {}

  void start();
  void stop() { stopped_ = true; }

  // The host came to lead; its first messages are not under way yet.
  void on_leader(HostId host);
  // The host has cut entries off its log, durably.
  void on_truncated(HostId host);
  // The host, whose log was damaged, has taken entries: durably, but its answer is not under way yet.
  void on_repairing(HostId host);
  // The host's log is whole again, durably.
  void on_whole(HostId host);

 private:
  void begin_later(Duration most);
  void begin();
  void begin_split_change();
  void begin_hasty_voter();
  void begin_late_answers();
  void begin_deaf_hand_over();
  void begin_unheard_repair();
  void begin_rotten_read();
  void split_change(HostId leader);
  void end_after(Duration least, Duration most);
  void cut_off(HostId host, bool inward, bool outward);
  void split(const std::vector<HostId>& left, const std::vector<HostId>& right);
  [[nodiscard]] HostId draw_other(HostId than);

  EventQueue& queue_;
  Network& network_;
  FaultTarget& target_;
  Rng rng_;
  const Play play_;
  bool stopped_ = false;
  bool under_way_ = false;
  HostId first_ = 0;    // the leader when the play began
  HostId subject_ = 0;  // SplitChange: whom it removes; UnheardRepair: whose log rots; RottenRead: who is away
  std::uint64_t number_ = 0;
};

}  // namespace mesh::sim
