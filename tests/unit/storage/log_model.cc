#include "tests/unit/storage/log_model.h"

#include "raft/configuration.h"

namespace mesh::storage {
namespace {

raft::Entry random_entry(Rng& rng, raft::LogPosition at, std::uint64_t payload_bytes_max) {
  raft::Entry entry{at.index, at.term, raft::EntryKind::Command, {}};
  if (rng.below(10) == 0) entry.kind = raft::EntryKind::Noop;
  const std::uint64_t length = rng.below(payload_bytes_max + 1);
  for (std::uint64_t i = 0; i < length; ++i) entry.payload.push_back(static_cast<char>(rng.below(256)));
  return entry;
}

raft::LogBase base_at(Rng& rng, raft::LogPosition position) {
  raft::LogBase base;
  base.position = position;
  base.configuration.voters = {raft::ServerId(1), raft::ServerId(2 + rng.below(5))};
  base.configuration_index = position.index;
  return base;
}

void drop_through(LogModel& model, raft::Index index) {
  std::erase_if(model.entries, [&](const raft::Entry& e) { return e.index <= index; });
}

}  // namespace

raft::LogPosition LogModel::last() const {
  if (entries.empty()) return base.position;
  return {entries.back().index, entries.back().term};
}

std::vector<LogModel> outcomes(const LogModel& before, const raft::PersistBatch& batch) {
  std::vector<LogModel> states{before};
  LogModel state = before;
  if (batch.hard_state) state.hard_state = *batch.hard_state;
  if (batch.reset) {
    state.base = *batch.reset;
    state.entries.clear();
  }
  states.push_back(state);
  if (batch.truncate_from)
    std::erase_if(state.entries, [&](const raft::Entry& e) { return e.index >= *batch.truncate_from; });
  state.entries.insert(state.entries.end(), batch.entries.begin(), batch.entries.end());
  states.push_back(state);
  if (batch.compact_through) {
    state.base = *batch.compact_through;
    drop_through(state, state.base.position.index);
  }
  states.push_back(state);
  return states;
}

raft::PersistBatch append_batch(const LogModel& model, std::uint64_t number, std::uint64_t entries,
                                std::size_t payload_bytes) {
  raft::PersistBatch batch;
  batch.number = number;
  raft::LogPosition at = model.last();
  for (std::uint64_t i = 0; i < entries; ++i) {
    ++at.index;
    at.term = std::max(at.term, raft::Term(1));
    Bytes payload = "entry " + std::to_string(at.index.value()) + " ";
    payload.resize(std::max(payload.size(), payload_bytes), 'x');
    batch.entries.push_back({at.index, at.term, raft::EntryKind::Command, payload});
  }
  return batch;
}

raft::PersistBatch random_batch(Rng& rng, const LogModel& model, std::uint64_t number, const BatchProfile& profile) {
  raft::PersistBatch batch;
  batch.number = number;
  raft::LogPosition last = model.last();
  raft::Term term = std::max(last.term, raft::Term(1));
  if (rng.below(6) == 0) batch.hard_state = raft::HardState{model.hard_state.term + rng.below(3), raft::ServerId(rng.below(4))};
  if (rng.below(25) == 0) {
    batch.reset = base_at(rng, {last.index + rng.below(20), term});
    last = batch.reset->position;
  } else if (!model.entries.empty() && rng.below(6) == 0) {
    const std::uint64_t dropped = rng.between(1, std::min<std::uint64_t>(model.entries.size(), 12));
    batch.truncate_from = last.index - (dropped - 1);
    const std::size_t left = model.entries.size() - dropped;
    last = left == 0 ? model.base.position : raft::LogPosition{model.entries[left - 1].index, model.entries[left - 1].term};
    term = term + 1;
  }
  if (rng.below(8) == 0) term = term + 1;
  std::vector<raft::LogPosition> held;
  for (const raft::Entry& entry : model.entries)
    if (!batch.reset && entry.index <= last.index) held.push_back({entry.index, entry.term});
  if (rng.below(8) != 0) {
    const std::uint64_t count = rng.between(1, profile.entries_max);
    for (std::uint64_t i = 0; i < count; ++i) {
      last = {last.index + 1, term};
      batch.entries.push_back(random_entry(rng, last, profile.payload_bytes_max));
      held.push_back(last);
    }
  }
  if (rng.below(8) == 0 && !held.empty()) batch.compact_through = base_at(rng, held[rng.below(held.size())]);
  return batch;
}

LogModel model_of(const raft::RecoveredLog& recovered) {
  return {recovered.hard_state, recovered.base, recovered.entries};
}

SegmentLogOptions test_options(std::uint64_t segment_bytes) {
  Uuid::Raw raw{};
  raw[0] = 0xC1;
  return {"/data/log", Uuid(raw), segment_bytes};
}

}  // namespace mesh::storage
