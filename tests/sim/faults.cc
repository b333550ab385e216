#include "tests/sim/faults.h"

#include <numeric>
#include <vector>

#include "tests/sim/outcome.h"

namespace mesh::sim {

FaultInjector::FaultInjector(EventQueue& queue, Network& network, FaultTarget& target, Rng rng,
                             const FaultProfile& profile)
    : queue_(queue), network_(network), target_(target), rng_(rng), profile_(profile) {}

void FaultInjector::start() {
  repeat(profile_.crash_every, &FaultInjector::crash);
  repeat(profile_.pause_every, &FaultInjector::pause);
  repeat(profile_.partition_every, &FaultInjector::partition);
  repeat(profile_.clock_jump_every, &FaultInjector::jump_clock);
  repeat(profile_.disk_full_every, &FaultInjector::fill_disk);
  repeat(profile_.sync_error_every, &FaultInjector::break_sync);
  repeat(profile_.rot_every, &FaultInjector::rot);
  repeat(profile_.member_change_every, &FaultInjector::change_members);
  repeat(profile_.transfer_every, &FaultInjector::transfer);
}

void FaultInjector::stop() {
  stopped_ = true;
  network_.mend_all();
  for (HostId host = 0; host < target_.servers(); ++host) {
    target_.end_pause(host);
    target_.fill_disk(host, false);
    if (!target_.up(host)) target_.start(host);
  }
}

void FaultInjector::repeat(Duration mean, void (FaultInjector::*strike)()) {
  if (mean == Duration(0)) return;
  queue_.after(rng_.between(Duration(0), mean * 2), [this, mean, strike] {
    if (stopped_) return;
    (this->*strike)();
    repeat(mean, strike);
  });
}

HostId FaultInjector::draw_victim() {
  return rng_.below(3) == 0 ? target_.likely_leader() : static_cast<HostId>(rng_.below(target_.servers()));
}

void FaultInjector::crash() {
  if (!rng_.chance_ppm(profile_.crash_all_ppm)) {
    crash_one(draw_victim(), rng_.below(2) == 0);
    return;
  }
  for (HostId host = 0; host < target_.servers(); ++host) crash_one(host, true);
}

void FaultInjector::crash_one(HostId host, bool power_lost) {
  if (!target_.up(host)) return;
  TRACE(queue_, "fault: {} {}", power_lost ? "power lost at" : "crash", host);
  target_.crash(host, power_lost);
  if (rng_.chance_ppm(profile_.rot_ppm)) target_.rot(host);
  queue_.after(rng_.between(Duration(0), profile_.down_max), [this, host] {
    if (!target_.up(host)) target_.start(host);
  });
}

void FaultInjector::pause() {
  const HostId host = draw_victim();
  if (!target_.up(host)) return;
  const Duration duration = rng_.between(milliseconds(1), profile_.pause_max);
  TRACE(queue_, "fault: pause {} for {} ms", host, to_millis(duration));
  target_.pause(host, duration);
}

void FaultInjector::jump_clock() {
  const HostId host = draw_victim();
  const Duration forward = rng_.between(milliseconds(1), profile_.clock_jump_max);
  TRACE(queue_, "fault: clock of {} jumps {} ms", host, to_millis(forward));
  target_.jump_clock(host, forward);
}

void FaultInjector::fill_disk() {
  const HostId host = draw_victim();
  TRACE(queue_, "fault: the disk of {} is full", host);
  target_.fill_disk(host, true);
  queue_.after(rng_.between(milliseconds(1), profile_.disk_full_max), [this, host] { target_.fill_disk(host, false); });
}

void FaultInjector::break_sync() {
  const HostId host = draw_victim();
  TRACE(queue_, "fault: the next sync of {} fails", host);
  target_.break_next_sync(host);
}

void FaultInjector::rot() {
  const HostId host = draw_victim();
  if (target_.up(host)) target_.rot(host);
}

void FaultInjector::partition() {
  if (target_.servers() < 2) return;
  network_.mend_all();
  const std::uint64_t shape = rng_.below(7);
  TRACE(queue_, "fault: partition of shape {}", shape);
  if (shape == 0) isolate(draw_victim(), true, true);
  if (shape == 1) isolate(draw_victim(), true, false);
  if (shape == 2) isolate(draw_victim(), false, true);
  if (shape == 3) split();
  if (shape == 4) split_with_bridge();
  if (shape >= 5) cut_some_links();
  mend_after(profile_.partition_max);
}

// Half of the time the old leader hears nothing of what follows: it must find out by itself.
void FaultInjector::transfer() {
  const HostId leader = target_.likely_leader();
  target_.transfer_leadership();
  if (target_.servers() < 2 || rng_.below(2) == 0) return;
  TRACE(queue_, "fault: {} is deaf", leader);
  isolate(leader, true, false);
  mend_after(milliseconds(800));
}

void FaultInjector::mend_after(Duration most) {
  const std::uint64_t mine = ++partition_number_;
  queue_.after(rng_.between(milliseconds(1), most), [this, mine] {
    if (mine != partition_number_) return;
    TRACE(queue_, "fault: partition {} ends", mine);
    network_.mend_all();
  });
}

void FaultInjector::cut_both(HostId a, HostId b) {
  network_.cut(a, b);
  network_.cut(b, a);
}

void FaultInjector::isolate(HostId victim, bool inward, bool outward) {
  for (HostId host = 0; host < target_.servers(); ++host) {
    if (host == victim) continue;
    if (inward) network_.cut(host, victim);
    if (outward) network_.cut(victim, host);
  }
}

void FaultInjector::split() {
  std::vector<bool> left(target_.servers());
  for (HostId host = 0; host < target_.servers(); ++host) left[host] = rng_.below(2) == 0;
  for (HostId a = 0; a < target_.servers(); ++a) {
    for (HostId b = 0; b < a; ++b) {
      if (left[a] != left[b]) cut_both(a, b);
    }
  }
}

// One server reaches all, the others only each its own half.
void FaultInjector::split_with_bridge() {
  std::vector<HostId> order(target_.servers());
  std::iota(order.begin(), order.end(), HostId{0});
  rng_.shuffle(std::span(order));
  for (std::size_t a = 1; a < order.size(); ++a) {
    for (std::size_t b = 1; b < a; ++b) {
      if (a % 2 != b % 2) cut_both(order[a], order[b]);
    }
  }
}

void FaultInjector::cut_some_links() {
  for (HostId a = 0; a < target_.servers(); ++a) {
    for (HostId b = 0; b < target_.servers(); ++b) {
      if (a != b && rng_.below(3) == 0) network_.cut(a, b);
    }
  }
}

}  // namespace mesh::sim
