#include "tests/sim/linearize.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/check.h"
#include "base/rng.h"

namespace mesh::sim {
namespace {

struct Fingerprint {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
  friend Fingerprint operator^(Fingerprint a, Fingerprint b) { return {a.low ^ b.low, a.high ^ b.high}; }
};

struct FingerprintHash {
  std::size_t operator()(const Fingerprint& f) const noexcept { return f.low; }
};

std::uint64_t mixed(std::uint64_t x, std::uint64_t multiplier) {
  x = (x ^ (x >> 31)) * multiplier;
  return x ^ (x >> 29);
}

Fingerprint of_state(std::uint64_t state) {
  return {mixed(state + 0x9e37'79b9'7f4a'7c15, 0xbf58'476d'1ce4'e5b9),
          mixed(state + 0x2545'f491'4f6c'dd1d, 0x94d0'49bb'1331'11eb)};
}

// An operation as the search sees it: what is known of its outcome decides how it may be placed.
struct Placed {
  const Operation* op = nullptr;
  bool outcome_known = true;
  std::uint64_t ends = kUnanswered;
};

// The register after `placed` at `state`, or nothing if its answer contradicts that state.
std::optional<std::uint64_t> step(const Placed& placed, std::uint64_t state) {
  const Operation& op = *placed.op;
  switch (op.kind) {
    case OpKind::Read:
      return op.value == state ? std::optional(state) : std::nullopt;
    case OpKind::Write:
      return op.value;
    case OpKind::Cas:
      if (!placed.outcome_known) return state == op.expected ? op.value : state;
      if (op.swapped != (state == op.expected) || (op.shows && op.shown != state)) return std::nullopt;
      return op.swapped ? op.value : state;
  }
  return std::nullopt;
}

bool never_changes(const Placed& placed) {
  return placed.op->kind == OpKind::Read ||
         (placed.op->kind == OpKind::Cas && placed.outcome_known && !placed.op->swapped);
}

// Which values of one key were shown by an answer, and when first; how often each was written; whether a failed
// compare-and-set could have been made to fail by a write that nobody saw.
struct Seen {
  std::unordered_map<std::uint64_t, std::uint64_t> first_shown;
  std::unordered_map<std::uint64_t, std::uint32_t> written;
  std::uint64_t last_failed_cas = 0;
};

Seen look_at(const std::vector<const Operation*>& ops) {
  Seen seen;
  auto shown = [&seen](std::uint64_t value, std::uint64_t when) {
    auto [at, fresh] = seen.first_shown.try_emplace(value, when);
    if (!fresh) at->second = std::min(at->second, when);
  };
  for (const Operation* op : ops) {
    if (op->kind != OpKind::Read) ++seen.written[op->value];
    if (op->answered == kUnanswered) continue;
    if (op->kind == OpKind::Read) shown(op->value, op->answered);
    if (op->kind == OpKind::Cas && op->swapped) shown(op->expected, op->answered);
    if (op->kind == OpKind::Cas && op->shows) shown(op->shown, op->answered);
    if (op->kind == OpKind::Cas && !op->swapped && !op->shows) {
      seen.last_failed_cas = std::max(seen.last_failed_cas, op->answered);
    }
  }
  return seen;
}

// An operation without an answer: what the rest of the history says about it; nothing if it may be left out.
std::optional<Placed> place_unanswered(const Operation& op, const Seen& seen) {
  if (op.kind == OpKind::Read) return std::nullopt;
  const bool unique = op.value != kAbsent && seen.written.at(op.value) == 1;
  const auto shown = seen.first_shown.find(op.value);
  if (unique && shown != seen.first_shown.end()) return Placed{&op, false, std::max(shown->second, op.called + 1)};
  if (unique && seen.last_failed_cas < op.called) return std::nullopt;
  return Placed{&op, false, kUnanswered};
}

std::vector<Placed> place_all(const std::vector<const Operation*>& ops) {
  const Seen seen = look_at(ops);
  std::vector<Placed> out;
  out.reserve(ops.size());
  for (const Operation* op : ops) {
    if (op->answered != kUnanswered) {
      out.push_back(Placed{op, true, op->answered});
    } else if (auto placed = place_unanswered(*op, seen)) {
      out.push_back(*placed);
    }
  }
  return out;
}

// The search over one key.
class Search {
 public:
  Search(std::uint64_t key, std::vector<Placed> ops);

  Verdict run(std::uint64_t steps_max);
  std::uint64_t steps() const { return steps_; }
  std::string why() const;

 private:
  struct Entry {
    std::uint32_t op;
    bool is_call;
    std::uint32_t previous;
    std::uint32_t next;
    std::uint32_t partner;  // of a call: its answer's entry
  };
  struct Choice {
    std::uint32_t entry;
    std::uint64_t state_before;
    bool forced;
  };

  void link_entries();
  bool try_call(std::uint32_t entry);
  bool step_back();
  void lift(std::uint32_t entry);
  void put_back(std::uint32_t entry);
  void note_stuck(std::uint32_t answer);

  std::uint64_t key_;
  std::vector<Placed> ops_;
  std::vector<Fingerprint> marks_;
  std::vector<Entry> entries_;  // entry 0 is the list's head and end
  std::vector<Choice> choices_;
  std::unordered_set<Fingerprint, FingerprintHash> known_;
  Fingerprint done_;
  std::uint64_t state_ = kAbsent;
  std::uint32_t cursor_ = 0;
  std::uint64_t steps_ = 0;
  std::size_t deepest_ = 0;
  std::uint32_t stuck_op_ = 0;
  std::uint64_t stuck_state_ = kAbsent;
};

Search::Search(std::uint64_t key, std::vector<Placed> ops) : key_(key), ops_(std::move(ops)) {
  Rng rng(key + 1);
  marks_.reserve(ops_.size());
  for (std::size_t i = 0; i < ops_.size(); ++i) marks_.push_back({rng.next(), rng.next()});
  link_entries();
}

void Search::link_entries() {
  struct Moment {
    std::uint64_t at;
    bool is_call;
    std::uint32_t op;
  };
  std::vector<Moment> moments;
  moments.reserve(ops_.size() * 2);
  for (std::uint32_t i = 0; i < ops_.size(); ++i) {
    CHECK(ops_[i].op->called < ops_[i].ends, "an answer before its call");
    moments.push_back({ops_[i].op->called, true, i});
    moments.push_back({ops_[i].ends, false, i});
  }
  // At one instant calls come first: they overlap the answers of that instant.
  std::sort(moments.begin(), moments.end(), [](const Moment& a, const Moment& b) {
    return std::tuple(a.at, !a.is_call, a.op) < std::tuple(b.at, !b.is_call, b.op);
  });
  std::vector<std::uint32_t> call_of(ops_.size());
  const auto count = static_cast<std::uint32_t>(moments.size());
  entries_.push_back({0, false, count, count == 0 ? 0U : 1U, 0});
  for (std::uint32_t i = 1; i <= count; ++i) {
    const Moment& moment = moments[i - 1];
    entries_.push_back({moment.op, moment.is_call, i - 1, i == count ? 0 : i + 1, 0});
    if (moment.is_call) {
      call_of[moment.op] = i;
    } else {
      entries_[call_of[moment.op]].partner = i;
    }
  }
}

Verdict Search::run(std::uint64_t steps_max) {
  cursor_ = entries_[0].next;
  while (entries_[0].next != 0) {
    if (++steps_ > steps_max) return Verdict::GaveUp;
    if (entries_[cursor_].is_call) {
      if (!try_call(cursor_) && !step_back()) return Verdict::Violation;
    } else {
      note_stuck(cursor_);
      if (!step_back()) return Verdict::Violation;
    }
  }
  return Verdict::Linearizable;
}

// Places the operation at `entry` next, or moves the cursor past it. False: this whole branch is known to fail.
bool Search::try_call(std::uint32_t entry) {
  const std::uint32_t op = entries_[entry].op;
  const auto after = step(ops_[op], state_);
  if (!after) {
    cursor_ = entries_[entry].next;
    return true;
  }
  const bool forced = never_changes(ops_[op]);
  if (!known_.insert(done_ ^ marks_[op] ^ of_state(*after)).second) {
    cursor_ = entries_[entry].next;
    return !forced;
  }
  choices_.push_back({entry, state_, forced});
  done_ = done_ ^ marks_[op];
  state_ = *after;
  lift(entry);
  cursor_ = entries_[0].next;
  return true;
}

// Takes back choices up to the last one that had an alternative. False: there is none left.
bool Search::step_back() {
  while (!choices_.empty()) {
    const Choice choice = choices_.back();
    choices_.pop_back();
    put_back(choice.entry);
    done_ = done_ ^ marks_[entries_[choice.entry].op];
    state_ = choice.state_before;
    if (choice.forced) continue;
    cursor_ = entries_[choice.entry].next;
    return true;
  }
  return false;
}

void Search::lift(std::uint32_t entry) {
  for (const std::uint32_t i : {entry, entries_[entry].partner}) {
    entries_[entries_[i].previous].next = entries_[i].next;
    entries_[entries_[i].next].previous = entries_[i].previous;
  }
}

void Search::put_back(std::uint32_t entry) {
  for (const std::uint32_t i : {entries_[entry].partner, entry}) {
    entries_[entries_[i].previous].next = i;
    entries_[entries_[i].next].previous = i;
  }
}

void Search::note_stuck(std::uint32_t answer) {
  if (choices_.size() < deepest_) return;
  deepest_ = choices_.size();
  stuck_op_ = entries_[answer].op;
  stuck_state_ = state_;
}

std::string Search::why() const {
  constexpr std::size_t kNeighboursMax = 24;
  const Operation& stuck = *ops_[stuck_op_].op;
  std::string text = fmt::format("key {}: no order of its {} operations explains\n  {}\n  register at the furthest: {}\n"
                                 "  overlapping or just before it:\n",
                                 key_, ops_.size(), describe(stuck), stuck_state_);
  std::vector<const Operation*> near;
  for (const Placed& placed : ops_) {
    if (placed.op != &stuck && placed.op->called < ops_[stuck_op_].ends) near.push_back(placed.op);
  }
  std::sort(near.begin(), near.end(), [](const Operation* a, const Operation* b) { return a->answered > b->answered; });
  if (near.size() > kNeighboursMax) near.resize(kNeighboursMax);
  for (const Operation* op : near) text += fmt::format("  {}\n", describe(*op));
  return text;
}

}  // namespace

Judgement judge(std::span<const Operation> history, const JudgeOptions& options) {
  std::map<std::uint64_t, std::vector<const Operation*>> by_key;
  for (const Operation& op : history) by_key[op.key].push_back(&op);
  Judgement out;
  for (const auto& [key, ops] : by_key) {
    Search search(key, place_all(ops));
    const Verdict verdict = search.run(options.steps_max - std::min(options.steps_max, out.steps_total));
    out.steps_total += search.steps();
    if (verdict == Verdict::Linearizable) continue;
    out.verdict = verdict;
    out.why = verdict == Verdict::GaveUp ? fmt::format("key {}: gave up after {} steps", key, out.steps_total)
                                         : search.why();
    return out;
  }
  return out;
}

std::string describe(const Operation& op) {
  const std::string when = op.answered == kUnanswered ? fmt::format("[{}, unanswered]", op.called)
                                                      : fmt::format("[{}, {}]", op.called, op.answered);
  switch (op.kind) {
    case OpKind::Read:
      return fmt::format("client {} read key {} = {} {}", op.client, op.key, op.value, when);
    case OpKind::Write:
      return fmt::format("client {} write key {} := {} {}", op.client, op.key, op.value, when);
    case OpKind::Cas:
      return fmt::format("client {} cas key {} {} -> {} {} {}", op.client, op.key, op.expected, op.value,
                         op.answered == kUnanswered ? "?" : (op.swapped ? "swapped" : "refused"), when);
  }
  return {};
}

}  // namespace mesh::sim
