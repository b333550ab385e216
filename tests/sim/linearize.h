// Judges whether a history of concurrent operations on a map of registers is linearizable: whether every operation can
// be given one instant between its call and its answer so that all answers follow from doing them in that order.
//
// Registers are independent, so each key is searched alone. The search is that of Wing and Gong (1993) with Lowe's
// memoisation ("Testing for linearizability", 2017): a list of calls and answers in time order; an operation whose call
// comes before the first remaining answer may go next; a state that was reached before with the same set of
// operations done is not searched again. Two additions: an operation that cannot change the register goes next as
// soon as it fits and is never tried elsewhere (moving it forward cannot hurt the others), and an operation without an
// answer ends, where its value is unique, at the first answer that shows its value.
// Histories whose refused compare-and-sets show the value are judged fastest: what nobody saw is then left out.
//
// Pure functions over values, any thread. Time: O(operations x concurrency) for good histories.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>

namespace mesh::sim {

inline constexpr std::uint64_t kAbsent = 0;  // the value of a register that was never written, or was deleted
inline constexpr std::uint64_t kUnanswered = std::numeric_limits<std::uint64_t>::max();

enum class OpKind : std::uint8_t { Read, Write, Cas };

// Instants are any increasing numbers; an answer at instant t precedes a call at instant u if t < u. A client may have
// several operations at once.
struct Operation {
  std::uint32_t client = 0;
  OpKind kind = OpKind::Read;
  bool swapped = false;        // Cas: the answer
  std::uint64_t key = 0;
  std::uint64_t value = 0;     // Read: the answer; Write, Cas: the new value
  std::uint64_t expected = 0;  // Cas
  bool shows = false;          // Cas: the answer also told the register's value, `shown`
  std::uint64_t shown = 0;
  std::uint64_t called = 0;
  std::uint64_t answered = kUnanswered;  // then `swapped` and a Read's `value` mean nothing
};

enum class Verdict : std::uint8_t { Linearizable, Violation, GaveUp };

struct Judgement {
  Verdict verdict = Verdict::Linearizable;
  std::string why;  // of a violation: key, the answer that nothing explains, and its neighbours, one a line
  std::uint64_t steps_total = 0;
};

struct JudgeOptions {
  std::uint64_t steps_max = 50'000'000;  // over all keys; beyond it the verdict is GaveUp
};

[[nodiscard]] Judgement judge(std::span<const Operation> history, const JudgeOptions& options = {});

[[nodiscard]] std::string describe(const Operation& op);  // one line, no newline

}  // namespace mesh::sim
