#include "tests/sim/linearize.h"

#include <algorithm>
#include <vector>

#include "base/rng.h"
#include "tests/test.h"

namespace mesh::sim {
namespace {

Operation read(std::uint64_t value, std::uint64_t called, std::uint64_t answered) {
  return {.kind = OpKind::Read, .value = value, .called = called, .answered = answered};
}
Operation write(std::uint64_t value, std::uint64_t called, std::uint64_t answered) {
  return {.kind = OpKind::Write, .value = value, .called = called, .answered = answered};
}
Operation cas(std::uint64_t expected, std::uint64_t value, bool swapped, std::uint64_t called, std::uint64_t answered) {
  return {.kind = OpKind::Cas, .swapped = swapped, .value = value, .expected = expected, .called = called,
          .answered = answered};
}
Verdict verdict(const std::vector<Operation>& history) { return judge(history).verdict; }

TEST_CASE("an empty history and a read of nothing are linearizable") {
  EXPECT(verdict({}) == Verdict::Linearizable);
  EXPECT(verdict({read(kAbsent, 1, 2)}) == Verdict::Linearizable);
}

TEST_CASE("a read that overlaps a write may show the old or the new value") {
  EXPECT(verdict({write(7, 1, 10), read(kAbsent, 2, 3), read(7, 4, 5)}) == Verdict::Linearizable);
}

TEST_CASE("a value seen once may not be unseen by a later read") {
  EXPECT(verdict({write(7, 1, 10), read(7, 2, 3), read(kAbsent, 4, 5)}) == Verdict::Violation);
}

TEST_CASE("a stale read after an answered write is a violation and is named") {
  const Judgement result = judge(std::vector{write(7, 1, 2), write(8, 3, 4), read(7, 5, 6)});
  EXPECT(result.verdict == Verdict::Violation);
  EXPECT(result.why.find("read key 0 = 7 [5, 6]") != std::string::npos);
}

TEST_CASE("a lost acknowledged write is a violation") {
  EXPECT(verdict({write(7, 1, 2), read(kAbsent, 3, 4)}) == Verdict::Violation);
}

TEST_CASE("two clients may not see two writes in different orders") {
  EXPECT(verdict({write(1, 1, 20), write(2, 2, 21), read(1, 3, 4), read(2, 5, 6), read(1, 7, 8)}) ==
         Verdict::Violation);
}

TEST_CASE("a write without an answer may take effect late, or never") {
  EXPECT(verdict({write(7, 1, kUnanswered), read(kAbsent, 2, 3), read(7, 4, 5)}) == Verdict::Linearizable);
  EXPECT(verdict({write(7, 1, kUnanswered), read(kAbsent, 2, 3), read(kAbsent, 4, 5)}) == Verdict::Linearizable);
  EXPECT(verdict({write(7, 1, kUnanswered), read(7, 2, 3), read(kAbsent, 4, 5)}) == Verdict::Violation);
}

TEST_CASE("a write without an answer takes effect at most once") {
  EXPECT(verdict({write(7, 1, kUnanswered), write(8, 2, 3), read(7, 4, 5), write(9, 6, 7), read(7, 8, 9)}) ==
         Verdict::Violation);
}

TEST_CASE("a value from nowhere is a violation") { EXPECT(verdict({read(9, 1, 2)}) == Verdict::Violation); }

TEST_CASE("of two compare-and-sets of one value only one may win") {
  EXPECT(verdict({cas(kAbsent, 1, true, 1, 10), cas(kAbsent, 2, false, 2, 9)}) == Verdict::Linearizable);
  EXPECT(verdict({cas(kAbsent, 1, true, 1, 10), cas(kAbsent, 2, true, 2, 9)}) == Verdict::Violation);
  EXPECT(verdict({cas(kAbsent, 1, false, 1, 10), cas(kAbsent, 2, false, 2, 9)}) == Verdict::Violation);
}

TEST_CASE("a write that nobody saw may explain a refused compare-and-set") {
  EXPECT(verdict({write(1, 1, 2), write(5, 3, kUnanswered), cas(1, 2, false, 4, 5)}) == Verdict::Linearizable);
  EXPECT(verdict({write(1, 1, 2), cas(1, 2, false, 4, 5), write(5, 6, kUnanswered)}) == Verdict::Violation);
}

TEST_CASE("a refused compare-and-set that shows the value counts as a read of it") {
  Operation refused = cas(1, 2, false, 4, 5);
  refused.shows = true;
  refused.shown = 5;
  EXPECT(verdict({write(1, 1, 2), write(5, 3, kUnanswered), refused}) == Verdict::Linearizable);
  EXPECT(verdict({write(1, 1, 2), write(5, 6, kUnanswered), refused}) == Verdict::Violation);
  refused.shown = 6;
  EXPECT(verdict({write(1, 1, 2), write(5, 3, kUnanswered), refused}) == Verdict::Violation);
}

TEST_CASE("an unanswered compare-and-set whose value was read must have won") {
  EXPECT(verdict({cas(kAbsent, 1, false, 1, kUnanswered), read(1, 2, 3)}) == Verdict::Linearizable);
  EXPECT(verdict({write(4, 1, 2), cas(kAbsent, 1, false, 3, kUnanswered), read(1, 4, 5)}) == Verdict::Violation);
}

TEST_CASE("keys are judged apart") {
  std::vector<Operation> history{write(7, 1, 2), read(kAbsent, 3, 4)};
  history[1].key = 1;
  EXPECT(verdict(history) == Verdict::Linearizable);
}

TEST_CASE("beyond its bound the search gives up rather than guess") {
  const Judgement result = judge(std::vector{write(1, 1, 2), write(2, 3, 4), read(2, 5, 6)}, {.steps_max = 2});
  EXPECT(result.verdict == Verdict::GaveUp);
}

// Clients with one operation each at a time on atomic registers: linearizable by construction.
std::vector<Operation> atomic_history(Rng& rng, std::size_t count, std::uint64_t keys, std::uint32_t clients) {
  std::vector<std::uint64_t> registers(keys, kAbsent);
  std::vector<Operation> pending(clients);
  std::vector<int> phase(clients, 0);  // 0: idle, 1: called, 2: done, not answered yet
  std::vector<Operation> history;
  std::uint64_t tick = 0;
  std::uint64_t value = 0;
  while (history.size() < count) {
    const auto client = static_cast<std::uint32_t>(rng.below(clients));
    Operation& op = pending[client];
    ++tick;
    if (phase[client] == 0) {
      op = {.client = client, .kind = static_cast<OpKind>(rng.below(3)), .key = rng.below(keys), .called = tick};
      op.expected = rng.below(2) == 0 ? registers[op.key] : value;
      if (op.kind != OpKind::Read) op.value = ++value;
    } else if (phase[client] == 1) {
      std::uint64_t& cell = registers[op.key];
      if (op.kind == OpKind::Read) op.value = cell;
      if (op.kind == OpKind::Cas) op.swapped = cell == op.expected;
      if (op.kind == OpKind::Write || op.swapped) cell = op.value;
    } else {
      if (rng.below(50) != 0) op.answered = tick;
      history.push_back(op);
    }
    phase[client] = (phase[client] + 1) % 3;
  }
  for (std::uint32_t client = 0; client < clients; ++client) {
    if (phase[client] != 0) history.push_back(pending[client]);
  }
  return history;
}

TEST_CASE("random histories of an atomic map are linearizable") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed);
    const auto history = atomic_history(rng, 120, 1 + rng.below(3), static_cast<std::uint32_t>(1 + rng.below(8)));
    CAPTURE(seed);
    EXPECT(judge(history).verdict == Verdict::Linearizable);
  }
}

TEST_CASE("a wrong value planted in a random history is found") {
  std::size_t found = 0;
  std::size_t planted = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed);
    auto history = atomic_history(rng, 120, 2, 4);
    auto victim = std::find_if(history.begin() + 60, history.end(), [](const Operation& op) {
      return op.kind == OpKind::Read && op.answered != kUnanswered && op.value != kAbsent;
    });
    if (victim == history.end()) continue;
    ++planted;
    victim->value = kAbsent;  // long after the first write of that key
    if (judge(history).verdict == Verdict::Violation) ++found;
  }
  EXPECT_GE(planted, 150u);
  EXPECT_EQ(found, planted);
}

TEST_CASE("100,000 operations over 10 keys are judged in few steps") {
  Rng rng(1);
  const auto history = atomic_history(rng, 100'000, 10, 32);
  const Judgement result = judge(history);
  EXPECT(result.verdict == Verdict::Linearizable);
  EXPECT_LT(result.steps_total, 5'000'000u);
}

}  // namespace
}  // namespace mesh::sim
