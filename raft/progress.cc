#include "raft/progress.h"

#include <algorithm>

#include "base/check.h"
#include "base/mutant.h"

namespace mesh::raft {
namespace {

// Damages of one follower that a leader remembers within its term; beyond it the answers are dropped.
constexpr std::size_t kRetiredNoncesMax = 64;

}  // namespace

bool Progress::has_room(const CoreOptions& options) const {
  if (const auto* probe = std::get_if<Probe>(&state_)) return !probe->waiting;
  if (const auto* replicate = std::get_if<Replicate>(&state_))
    return replicate->window.size() < options.inflight_messages_max &&
           replicate->window_bytes < options.inflight_bytes_max.value();
  return false;
}

void Progress::sent(Index last, std::uint64_t bytes, MonoTime now) {
  CHECK(last + 1 >= next_);
  if (auto* probe = std::get_if<Probe>(&state_)) {
    *probe = {.waiting = true, .sent_at = now};
    return;
  }
  auto& replicate = std::get<Replicate>(state_);
  if (last < next_) return;
  if (replicate.window.empty()) end_asked_at_ = now;
  replicate.window.push_back({last, bytes});
  replicate.window_bytes += bytes;
  next_ = last + 1;
}

bool Progress::accepted(Index index) {
  const bool news = index > match_;
  match_ = std::max(match_, index);
  next_ = std::max(next_, match_ + 1);
  if (auto* replicate = std::get_if<Replicate>(&state_)) {
    auto& window = replicate->window;
    for (; !window.empty() && window.front().last <= match_; window.pop_front())
      replicate->window_bytes -= window.front().bytes;
  } else if (probing()) {
    // The answer tells where the logs agree: what was sent behind it as a probe is sent again, now with a window.
    next_ = match_ + 1;
    state_ = Replicate{};
  }
  return news;
}

bool Progress::rejected(Index refused, Index retry_after) {
  if (refused <= match_ || sending() != nullptr) return false;
  if (probing() && refused + 1 != next_) return false;
  begin_probe(std::min(refused, retry_after + 1));
  return true;
}

bool Progress::answered_heartbeat(MonoTime now, Duration patience) {
  if (auto* probe = std::get_if<Probe>(&state_)) {
    if (now - probe->sent_at >= patience) probe->waiting = false;
    return false;
  }
  const auto* replicate = std::get_if<Replicate>(&state_);
  if (replicate == nullptr || replicate->window.empty() || now - end_asked_at_ < patience) return false;
  end_asked_at_ = now;
  return true;
}

void Progress::pause_sending(MonoTime retry_at) {
  state_ = Sending{};
  sending()->phase = Sending::Phase::Pausing;
  sending()->retry_at = retry_at;
}

void Progress::begin_probe(Index next) {
  next_ = std::max(next, match_ + 1);
  state_ = Probe{};
}

void Progress::answer_round(std::uint64_t round, MonoTime sent_at) {
  round_ = std::max(round_, round);
  lease_from_ = std::max(lease_from_, sent_at);
}

bool Progress::admit(std::uint64_t nonce, Index last) {
  if (nonce == repair_.nonce) return true;
  if (nonce == 0) {
    // Answers from before the damage claim entries that are lost, but none behind `through`.
    if (match_ < repair_.through) return false;
    retired_nonces_.push_back(repair_.nonce);
    repair_ = {};
    return true;
  }
  const bool stale = std::find(retired_nonces_.begin(), retired_nonces_.end(), nonce) != retired_nonces_.end();
  if (stale || retired_nonces_.size() >= kRetiredNoncesMax) return false;
  if (repair_.nonce != 0) retired_nonces_.push_back(repair_.nonce);
  repair_ = {nonce, last};
  match_ = Index{};
  commit_sent = Index{};
  begin_probe(last + 1);
  return true;
}

void Progress::note_whole(std::uint64_t round) {
  if (repair_.nonce == 0 || round <= repair_round || MESH_MUTANT(RepairUnheard)) return;
  const Index through = repair_.through;
  retired_nonces_.push_back(repair_.nonce);
  repair_ = {};
  accepted(through);
}

void Progress::check_invariants() const {
  CHECK(match_ < next_, "match {} next {}", match_.value(), next_.value());
  const auto* replicate = std::get_if<Replicate>(&state_);
  if (replicate == nullptr) return;
  std::uint64_t bytes = 0;
  Index last = match_;
  for (const auto& sent : replicate->window) {
    CHECK(sent.last > last);
    last = sent.last;
    bytes += sent.bytes;
  }
  CHECK(bytes == replicate->window_bytes);
  CHECK(last < next_);
}

}  // namespace mesh::raft
