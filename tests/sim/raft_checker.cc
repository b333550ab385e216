#include "tests/sim/raft_checker.h"

#include <algorithm>
#include <string_view>
#include <variant>

#include "base/hash.h"
#include "tests/sim/outcome.h"

namespace mesh::sim {
namespace {

std::uint64_t hash_of(const raft::Entry& entry) {
  return xxh3_64(entry.payload, static_cast<std::uint64_t>(entry.kind));
}

std::uint64_t place(raft::Index index, raft::Term term) { return index.value() << 24 | term.value(); }

}  // namespace

const RaftChecker::Written* RaftChecker::Shadow::at(raft::Index index) const {
  if (index <= base || index > last()) return nullptr;
  return &entries[index - base - 1];
}

void RaftChecker::Shadow::write(const raft::PersistBatch& batch) {
  if (batch.hard_state) hard_state = *batch.hard_state;
  if (batch.reset) {
    entries.clear();
    base = batch.reset->position.index;
  }
  if (batch.truncate_from && *batch.truncate_from <= last()) {
    entries.resize(*batch.truncate_from - base - 1);
  }
  for (const raft::Entry& entry : batch.entries) entries.push_back({entry.term, hash_of(entry)});
  if (batch.compact_through && batch.compact_through->position.index > base) {
    const raft::Index through = batch.compact_through->position.index;
    entries.erase(entries.begin(), entries.begin() + static_cast<std::ptrdiff_t>(through - base));
    base = through;
  }
}

void RaftChecker::on_recovered(HostId host, const raft::RecoveredState& recovered,
                               const raft::PersistBatch* in_flight, bool rotten) {
  const raft::RecoveredLog& log = recovered.log;
  const auto& snapshot = recovered.tables.snapshot;
  Shadow found{log.hard_state, log.base.position.index, snapshot ? snapshot->position.index : raft::Index(0), {}};
  for (const raft::Entry& entry : log.entries) {
    if (entry.index != found.last() + 1) violation("server {}: recovered log has a gap at {}", host, entry.index.value());
    found.entries.push_back({entry.term, hash_of(entry)});
  }
  rot_seen_ = rot_seen_ || rotten;
  if (!log.damaged) check_recovered_log(host, found, in_flight);
  if (log.damaged && !rotten) violation("server {}: recovered log is called damaged, but nothing was", host);
  shadows_[host] = std::move(found);
  seen_commit_[host] = raft::Index(0);
  seen_applied_[host] = recovered.tables.applied;
}

void RaftChecker::check_recovered_log(HostId host, const Shadow& found, const raft::PersistBatch* in_flight) const {
  const Shadow& before = shadows_[host];
  const bool new_hard_state = in_flight != nullptr && in_flight->hard_state == found.hard_state;
  if (found.hard_state != before.hard_state && !new_hard_state) {
    violation("server {}: recovered term {} vote {}, was durable: term {} vote {}", host, found.hard_state.term.value(),
              found.hard_state.vote.value(), before.hard_state.term.value(), before.hard_state.vote.value());
  }
  Shadow after = before;
  if (in_flight != nullptr) after.write(*in_flight);
  if (in_flight != nullptr && in_flight->reset && found.base == after.base) return;
  const raft::Index cut = in_flight != nullptr && in_flight->truncate_from ? *in_flight->truncate_from : before.last() + 1;
  for (raft::Index index = found.base + 1; index < cut; ++index) {
    const Written* was = before.at(index);
    const Written* is = found.at(index);
    if (was != nullptr && (is == nullptr || *is != *was)) {
      violation("server {}: durable entry {} is {} after the restart", host, index.value(), is ? "another" : "lost");
    }
  }
  for (raft::Index index = found.base + 1; index <= found.last(); ++index) {
    const Written* is = found.at(index);
    const Written* was = before.at(index);
    const Written* wanted = after.at(index);
    const bool known = (was != nullptr && *was == *is) || (wanted != nullptr && *wanted == *is) || index <= before.base;
    if (!known) violation("server {}: entry {} appears after a restart, never written", host, index.value());
  }
}

void RaftChecker::on_durable(HostId host, const raft::PersistBatch& batch) { shadows_[host].write(batch); }

void RaftChecker::after_step(HostId host, const Before& before, const raft::Core& core, const raft::Actions& actions) {
  check_leader(host, before, core);
  if (actions.persist) check_batch(host, core, *actions.persist);
  for (const raft::Message& message : actions.messages) check_promises(host, message);
  check_commit(host, before, core);
}

void RaftChecker::check_leader(HostId host, const Before& before, const raft::Core& core) {
  if (core.term() < before.term) violation("server {}: term goes back to {}", host, core.term().value());
  if (core.role() != raft::Role::Leader) return;
  const auto [leader, fresh] = leaders_.try_emplace(core.term().value(), id_of(host));
  if (!fresh) {
    if (leader->second == id_of(host)) return;
    violation("election safety: servers {} and {} both lead term {}", host, host_of(leader->second), core.term().value());
  }
  const raft::HardState& durable = shadows_[host].hard_state;
  if (durable.term != core.term() || durable.vote != id_of(host)) {
    violation("server {} leads term {} with no durable vote for itself", host, core.term().value());
  }
  // One that was paused may come to lead an old term late; what was committed since then it need not have.
  raft::Index last = committed();
  while (last > raft::Index(0) && committed_in_[last.value()] >= core.term()) last = last - 1;
  const bool complete = last <= core.base().index ||
                        (core.last().index >= last && core.term_at(last) == committed_[last.value()]);
  if (!complete) {
    violation("leader completeness: server {} leads term {}, its log ends at {} and lacks committed entry {}", host,
              core.term().value(), core.last().index.value(), last.value());
  }
}

void RaftChecker::check_batch(HostId host, const raft::Core& core, const raft::PersistBatch& batch) {
  if (batch.truncate_from && !batch.reset && *batch.truncate_from <= seen_commit_[host]) {
    // An old leader's append may have cut it off in memory before the entry that is committed came back.
    const raft::Term committed_term = committed_[batch.truncate_from->value()];
    const Written* cut = shadows_[host].at(*batch.truncate_from);
    const bool put_back = !batch.entries.empty() && batch.entries.front().index == *batch.truncate_from &&
                          batch.entries.front().term == committed_term;
    if (cut != nullptr && cut->term == committed_term && !put_back) {
      violation("server {} cuts off entry {}, which it knows as committed", host, batch.truncate_from->value());
    }
  }
  for (const raft::Entry& entry : batch.entries) {
    const raft::Index before = entry.index - 1;
    const raft::Term previous = entry.index == batch.entries.front().index
                                    ? core.term_at(before)
                                    : batch.entries[before - batch.entries.front().index].term;
    const Link link{hash_of(entry), previous};
    const auto [known, fresh] = links_.try_emplace(place(entry.index, entry.term), link);
    if (fresh || (known->second.hash == link.hash && known->second.previous_term == previous)) continue;
    violation("log matching: server {} writes entry {} of term {} with another {}", host, entry.index.value(),
              entry.term.value(), known->second.hash == link.hash ? "predecessor" : "content");
  }
}

void RaftChecker::check_promises(HostId host, const raft::Message& message) const {
  const Shadow& disk = shadows_[host];
  if (const auto* vote = std::get_if<raft::VoteResponse>(&message.body); vote && vote->granted && !vote->pre) {
    const bool kept = disk.hard_state.term > message.term ||
                      (disk.hard_state.term == message.term && disk.hard_state.vote == message.to);
    if (!kept) violation("server {} gives a vote in term {} that is not durable", host, message.term.value());
  }
  if (const auto* append = std::get_if<raft::AppendResponse>(&message.body);
      append && !append->rejected && append->index > std::max(disk.last(), disk.installed) && disk.hard_state.term == message.term) {
    violation("server {} acknowledges entry {}, durable is {}", host, append->index.value(), disk.last().value());
  }
}

void RaftChecker::check_commit(HostId host, const Before& before, const raft::Core& core) {
  const bool leads = core.role() == raft::Role::Leader && before.role == raft::Role::Leader && before.term == core.term();
  if (leads && core.commit() > before.commit && core.term_at(core.commit()) != core.term()) {
    violation("leader {} of term {} commits entry {} of term {} by counting", host, core.term().value(),
              core.commit().value(), core.term_at(core.commit()).value());
  }
  for (raft::Index index = seen_commit_[host] + 1; index <= core.commit(); ++index) {
    const raft::Term term = core.term_at(index);
    if (index > core.last().index) violation("server {} commits {} beyond its log", host, index.value());
    if (index <= core.base().index && term == raft::Term(0)) continue;
    if (index <= committed()) {
      if (committed_[index.value()] != term) {
        violation("server {} commits entry {} of term {}, committed was term {}", host, index.value(), term.value(),
                  committed_[index.value()].value());
      }
      continue;
    }
    if (index != committed() + 1) violation("server {} commits {} before {} was", host, index.value(), committed().value() + 1);
    check_quorum_holds(host, core, index, term);
    committed_.push_back(term);
    committed_in_.push_back(core.term());
  }
  seen_commit_[host] = std::max(seen_commit_[host], core.commit());
}

void RaftChecker::check_quorum_holds(HostId leader, const raft::Core& core, raft::Index index, raft::Term term) const {
  if (rot_seen_) return;
  const auto& voters = core.configuration().voters;
  const auto holds = [&](raft::ServerId id) {
    const Shadow& disk = shadows_[host_of(id)];
    const Written* entry = disk.at(index);
    return index <= std::max(disk.base, disk.installed) || (entry != nullptr && entry->term == term);
  };
  const auto count = std::count_if(voters.begin(), voters.end(), holds);
  if (static_cast<std::size_t>(count) * 2 <= voters.size()) {
    violation("server {} commits entry {} that is durable on {} of {} voters", leader, index.value(), count, voters.size());
  }
}

void RaftChecker::on_applied(HostId host, const raft::Entry& entry) {
  if (entry.index != seen_applied_[host] + 1) {
    violation("server {} applies {} after {}", host, entry.index.value(), seen_applied_[host].value());
  }
  seen_applied_[host] = entry.index;
  if (entry.index > committed()) violation("server {} applies {}, which is not committed", host, entry.index.value());
  if (applied_.size() <= entry.index.value()) applied_.resize(entry.index.value() + 1);
  auto& known = applied_[entry.index.value()];
  const Written mine{entry.term, hash_of(entry)};
  if (known && *known != mine) violation("state machine safety: server {} applies another entry {}", host, entry.index.value());
  known = mine;
}

void RaftChecker::compare(HostId host, raft::Index index, std::uint64_t hash, std::vector<std::optional<std::uint64_t>>& known,
                          const char* what) {
  if (known.size() <= index.value()) known.resize(index.value() + 1);
  std::optional<std::uint64_t>& here = known[index.value()];
  if (here && *here != hash) violation("server {}: another {} after entry {} than on other servers", host, what, index.value());
  here = hash;
}

void RaftChecker::on_installed(HostId host, raft::Index applied) {
  // A damaged server may be helped by a snapshot that is older than its own tables.
  if (applied < seen_applied_[host] && !rot_seen_) {
    violation("server {} goes back from applied {} to a snapshot of {}", host, seen_applied_[host].value(), applied.value());
  }
  seen_applied_[host] = applied;
  shadows_[host].installed = applied;
}

}  // namespace mesh::sim
