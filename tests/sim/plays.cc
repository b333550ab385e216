#include "tests/sim/plays.h"

#include <algorithm>

#include "tests/sim/outcome.h"

namespace mesh::sim {

void Plays::start() {
  if (play_ != Play::None) begin_later(milliseconds(1'500));
}

void Plays::begin_later(Duration most) {
  queue_.after(rng_.between(milliseconds(50), most), [this] {
    if (!stopped_) begin();
  });
}

void Plays::begin() {
  first_ = target_.likely_leader();
  if (!target_.up(first_)) return begin_later(milliseconds(100));
  if (play_ == Play::SplitChange && target_.voters(first_).size() < target_.servers()) {
    target_.restore_members();
    return begin_later(milliseconds(100));
  }
  TRACE(queue_, "play: begins with leader {}", first_);
  under_way_ = true;
  end_after(milliseconds(900), milliseconds(2'000));
  if (play_ == Play::SplitChange) begin_split_change();
  if (play_ == Play::HastyVoter) begin_hasty_voter();
  if (play_ == Play::LateAnswers) begin_late_answers();
  if (play_ == Play::DeafHandOver) begin_deaf_hand_over();
  if (play_ == Play::RottenCut) cut_off(first_, true, true);
  if (play_ == Play::UnheardRepair) begin_unheard_repair();
  if (play_ == Play::RottenRead) begin_rotten_read();
}

void Plays::begin_split_change() {
  cut_off(first_, true, true);
  subject_ = draw_other(first_);
  target_.change_member(first_, {raft::MembershipChange::Kind::Remove, raft::ServerId(subject_ + 1)});
}

void Plays::begin_hasty_voter() {
  const HostId hasty = draw_other(first_);
  cut_off(first_, true, false);
  network_.cut(first_, hasty);
  target_.jump_clock(hasty, rng_.between(milliseconds(400), milliseconds(700)));
}

void Plays::begin_late_answers() {
  const Duration late = rng_.between(milliseconds(100), milliseconds(280));
  for (HostId host = 0; host < target_.servers(); ++host) {
    if (host != first_) network_.slow_down(host, first_, late);
  }
  queue_.after(late * 2 + rng_.between(Duration(0), milliseconds(100)), [this, mine = number_] {
    if (!stopped_ && under_way_ && mine == number_) cut_off(first_, false, true);
  });
}

// The hand-over may wait for an answer of the next leader, which asks for votes a moment later.
void Plays::begin_deaf_hand_over() {
  const HostId next = draw_other(first_);
  cut_off(first_, true, false);
  network_.mend(next, first_);
  target_.transfer(first_, next);
  queue_.after(rng_.between(Duration(0), milliseconds(1)), [this, next, mine = number_] {
    if (!stopped_ && under_way_ && mine == number_) network_.cut(next, first_);
  });
}

void Plays::begin_unheard_repair() {
  subject_ = draw_other(first_);
  if (!target_.up(subject_)) return;
  target_.crash(subject_, false);
  target_.rot(subject_);
  queue_.after(rng_.between(milliseconds(1), milliseconds(20)), [this, host = subject_] {
    if (!target_.up(host)) target_.start(host);
  });
}

void Plays::on_repairing(HostId host) {
  if (stopped_ || !under_way_ || play_ != Play::UnheardRepair || host != subject_) return;
  cut_off(host, false, true);
}

void Plays::on_whole(HostId host) {
  if (stopped_ || !under_way_ || play_ != Play::UnheardRepair || host != subject_) return;
  TRACE(queue_, "play: {} is whole, and nobody knows", host);
  stopped_ = true;
  queue_.after(rng_.between(milliseconds(1), milliseconds(50)), [this] { network_.mend_all(); });
}

void Plays::begin_rotten_read() {
  subject_ = draw_other(first_);
  if (!target_.up(subject_)) return;
  target_.crash(subject_, false);
  queue_.after(rng_.between(milliseconds(300), milliseconds(800)), [this] {
    if (stopped_) return;
    stopped_ = true;
    if (target_.up(first_)) target_.rot(first_);
    if (!target_.up(subject_)) target_.start(subject_);
  });
}

void Plays::on_leader(HostId host) {
  if (stopped_ || !under_way_ || host == first_) return;
  TRACE(queue_, "play: {} leads now", host);
  if (play_ == Play::SplitChange) split_change(host);
  if (play_ == Play::DeafHandOver) cut_off(first_, true, false);
  if (play_ == Play::DeafHandOver || play_ == Play::HastyVoter || play_ == Play::LateAnswers) end_after(milliseconds(200), milliseconds(500));
  if (play_ == Play::RottenCut) end_after(milliseconds(1), milliseconds(200));
}

// The first leader's change suffices with half of four voters if it removed one of the other half, and so does the second's.
void Plays::split_change(HostId leader) {
  std::vector<HostId> others;
  for (HostId host = 0; host < target_.servers(); ++host) {
    if (host != first_ && host != leader && host != subject_) others.push_back(host);
  }
  rng_.shuffle(std::span(others));
  const HostId with_leader = subject_ == leader ? others.at(0) : subject_;
  const HostId with_first = others.back();
  split({leader, with_leader}, {first_, with_first});
  const HostId removed = rng_.below(2) == 0 ? first_ : with_first;
  queue_.after(Duration(0), [this, leader, removed] {
    if (target_.up(leader)) target_.change_member(leader, {raft::MembershipChange::Kind::Remove, raft::ServerId(removed + 1)});
  });
  end_after(milliseconds(800), milliseconds(2'000));
}

void Plays::on_truncated(HostId host) {
  if (stopped_ || play_ != Play::RottenCut) return;
  queue_.after(rng_.between(Duration(0), milliseconds(30)), [this, host] {
    if (stopped_ || !target_.up(host)) return;
    target_.crash(host, rng_.below(2) == 0);
    target_.rot_truncation(host);
    queue_.after(rng_.between(milliseconds(1), milliseconds(20)), [this, host] {
      if (!target_.up(host)) target_.start(host);
    });
  });
}

void Plays::end_after(Duration least, Duration most) {
  queue_.after(rng_.between(least, most), [this, mine = ++number_] {
    if (stopped_ || mine != number_) return;
    TRACE(queue_, "play: ends");
    under_way_ = false;
    network_.mend_all();
    begin_later(milliseconds(1'500));
  });
}

void Plays::cut_off(HostId host, bool inward, bool outward) {
  for (HostId other = 0; other < target_.servers(); ++other) {
    if (other == host) continue;
    if (inward) network_.cut(other, host);
    if (outward) network_.cut(host, other);
  }
}

void Plays::split(const std::vector<HostId>& left, const std::vector<HostId>& right) {
  network_.mend_all();
  for (const HostId a : left) {
    for (const HostId b : right) {
      network_.cut(a, b);
      network_.cut(b, a);
    }
  }
}

HostId Plays::draw_other(HostId than) {
  const auto drawn = static_cast<HostId>(rng_.below(target_.servers() - 1));
  return drawn < than ? drawn : drawn + 1;
}

}  // namespace mesh::sim
