#include "raft/outbox.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/mutant.h"

namespace mesh::raft {

void Outbox::truncate(Index from) {
  std::erase_if(pending_.entries, [&](const Entry& entry) { return entry.index >= from; });
  durable_ = std::min(durable_, from - 1);
  if (outstanding_) outstanding_->last = std::min(outstanding_->last, from - 1);
  if (written_ < from) return;
  pending_.truncate_from = std::min(from, pending_.truncate_from.value_or(from));
  written_ = from - 1;
}

void Outbox::reset(LogBase base) {
  const Index last = base.position.index;
  pending_.entries.clear();
  pending_.truncate_from.reset();
  pending_.compact_through.reset();
  pending_.reset = std::move(base);
  durable_ = last;  // the tables hold it already
  written_ = last;
  if (outstanding_) outstanding_->last = last;
  // Entries that are dropped before they became durable must not be acknowledged any more.
  std::erase_if(held_, [&](const Held& held) {
    const auto* append = std::get_if<AppendResponse>(&held.message.body);
    return append != nullptr && !append->rejected && append->index > last && !MESH_MUTANT(AckOutlivesReset);
  });
}

std::optional<PersistBatch> Outbox::take_batch() {
  if (outstanding_ || pending_.empty()) return std::nullopt;
  PersistBatch batch = std::exchange(pending_, {});
  batch.number = ++number_;
  if (!batch.entries.empty()) written_ = batch.entries.back().index;
  outstanding_ = Outstanding{batch.number, batch.hard_state, written_, batch.clear_damage};
  return batch;
}

std::vector<Message> Outbox::persisted(std::uint64_t number) {
  CHECK(outstanding_ && outstanding_->number == number, "batch {} is not outstanding", number);
  if (outstanding_->hard_state) hard_state_ = *outstanding_->hard_state;
  durable_ = outstanding_->last;
  damage_cleared_ = damage_cleared_ || outstanding_->clear_damage;
  outstanding_.reset();
  std::vector<Message> released;
  for (; !held_.empty() && held_.front().number <= number; held_.pop_front())
    released.push_back(std::move(held_.front().message));
  return released;
}

std::optional<Message> Outbox::hold(Message message) {
  if (idle()) return message;
  held_.push_back({pending_.empty() ? number_ : number_ + 1, std::move(message)});
  return std::nullopt;
}

}  // namespace mesh::raft
