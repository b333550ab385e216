// What the clients of a run did and were told, for the judge (linearize.h). Instants are a counter, so two moments of
// one virtual instant keep their order. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "tests/sim/linearize.h"

namespace mesh::sim {

class History {
 public:
  // Notes the call of `op`; its `called` and `answered` are set here. The number names it in answer().
  std::size_t call(Operation op) {
    op.called = ++instant_;
    op.answered = kUnanswered;
    operations_.push_back(op);
    return operations_.size() - 1;
  }
  // `shown` is the value that a read, or a refused compare-and-set, found; `swapped` a compare-and-set's success.
  void answer(std::size_t number, std::uint64_t shown, bool swapped) {
    Operation& op = operations_[number];
    op.answered = ++instant_;
    if (op.kind == OpKind::Read) op.value = shown;
    op.swapped = swapped;
    op.shows = op.kind == OpKind::Cas && !swapped;
    op.shown = op.shows ? shown : 0;
    ++answered_total_;
  }
  [[nodiscard]] const std::vector<Operation>& operations() const { return operations_; }
  [[nodiscard]] std::uint64_t answered_total() const { return answered_total_; }

 private:
  std::vector<Operation> operations_;
  std::uint64_t instant_ = 0;
  std::uint64_t answered_total_ = 0;
};

}  // namespace mesh::sim
