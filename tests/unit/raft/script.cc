#include "tests/unit/raft/script.h"

#include <fmt/core.h>

#include <algorithm>
#include <sstream>

#include "base/check.h"

namespace mesh::raft {
namespace {

constexpr std::size_t kRowsPerChunk = 2;  // small, so that transcripts show several chunks

std::uint64_t number(const std::string& word) { return std::stoull(word); }
ServerId id_of(const std::string& word) { return ServerId(number(word)); }

std::string join(const std::vector<std::string>& words, const char* between) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : between) + word;
  return out;
}

std::string ids_text(const std::vector<ServerId>& ids) {
  std::vector<std::string> words;
  for (const ServerId id : ids) words.push_back(std::to_string(id.value()));
  return join(words, ",");
}

std::string at(LogPosition position) { return fmt::format("{}@{}", position.index.value(), position.term.value()); }

std::string range(const std::vector<Entry>& entries) {
  const Entry& first = entries.front();
  const Entry& last = entries.back();
  if (entries.size() == 1) return at({first.index, first.term});
  return fmt::format("{}..{}", at({first.index, first.term}), at({last.index, last.term}));
}

std::string batch_text(const PersistBatch& batch) {
  std::vector<std::string> parts;
  if (batch.mark_damage) parts.emplace_back("damaged");
  if (batch.hard_state)
    parts.push_back(fmt::format("term {} vote {}", batch.hard_state->term.value(), batch.hard_state->vote.value()));
  if (batch.reset) parts.push_back(fmt::format("new log behind {}", at(batch.reset->position)));
  if (batch.truncate_from) parts.push_back(fmt::format("cut from {}", batch.truncate_from->value()));
  if (!batch.entries.empty()) parts.push_back("entries " + range(batch.entries));
  if (batch.compact_through) parts.push_back(fmt::format("compact through {}", at(batch.compact_through->position)));
  if (batch.clear_damage) parts.emplace_back("repaired");
  return join(parts, ", ");
}

// Rows as bytes: each with its length in front.
Bytes pack(const std::vector<std::string>& rows) {
  Bytes out;
  for (const auto& row : rows) {
    append_be32(out, static_cast<std::uint32_t>(row.size()));
    out += row;
  }
  return out;
}

void unpack(ByteView in, std::vector<std::string>& rows) {
  while (!in.empty()) {
    const std::uint32_t size = read_be32(in);
    rows.emplace_back(in.substr(4, size));
    in.remove_prefix(4 + size);
  }
}

std::vector<std::string> split(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

bool boring(const Message& message) {
  return std::holds_alternative<Heartbeat>(message.body) || std::holds_alternative<HeartbeatResponse>(message.body);
}

std::string link_of(const Message& message) {
  return fmt::format("{}->{}", message.from.value(), message.to.value());
}

}  // namespace

std::string Script::renew(const std::string& transcript) {
  Script script;
  std::istringstream in(transcript);
  std::string out;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line.front() == '#') out += line + "\n";
    if (!line.starts_with("> ")) continue;
    script.output_.clear();
    script.command(split(line.substr(2)));
    out += line + "\n" + script.output_;
  }
  return out;
}

Script::Server& Script::server(const std::string& word) {
  const auto found = servers_.find(id_of(word));
  CHECK(found != servers_.end(), "no server {}", word);
  return found->second;
}

void Script::command(const std::vector<std::string>& words) {
  static const std::map<std::string, void (Script::*)(const std::vector<std::string>&)> kCommands = {
      {"cluster", &Script::cluster}, {"propose", &Script::request}, {"read", &Script::request},
      {"transfer", &Script::request}, {"change", &Script::request},  {"deliver", &Script::network},
      {"drop", &Script::network},     {"cut", &Script::network},     {"heal", &Script::network},
  };
  const auto found = kCommands.find(words.at(0));
  if (found == kCommands.end()) return machine(words);
  (this->*found->second)(words);
}

void Script::cluster(const std::vector<std::string>& words) {
  options_.compact_bytes = ByteCount(1);
  options_.compact_tail_bytes = ByteCount(1);
  options_.retry_interval = milliseconds(200);
  std::vector<ServerId> voters;
  std::vector<ServerId> learners;
  auto* list = &voters;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string& word = words[i];
    const auto equals = word.find('=');
    if (word == "learners") {
      list = &learners;
    } else if (equals == std::string::npos) {
      list->push_back(id_of(word));
    } else if (word.starts_with("uncommitted_bytes_max")) {
      options_.uncommitted_bytes_max = ByteCount(number(word.substr(equals + 1)));
    } else if (word.starts_with("inflight_messages_max")) {
      options_.inflight_messages_max = static_cast<std::uint32_t>(number(word.substr(equals + 1)));
    } else if (word.starts_with("memory_bytes_max")) {
      options_.memory_bytes_max = ByteCount(number(word.substr(equals + 1)));
    } else if (word.starts_with("reads_waiting_max")) {
      options_.reads_waiting_max = static_cast<std::uint32_t>(number(word.substr(equals + 1)));
    } else {
      CHECK(word.starts_with("promote_lag_max"), "unknown option {}", word);
      options_.promote_lag_max = number(word.substr(equals + 1));
    }
  }
  const auto configuration = make_configuration(voters, learners).value();
  for (const auto& ids : {voters, learners})
    for (const ServerId id : ids) {
      (void)servers_[id].log.write(bootstrap_batch(configuration));
      start(id);
    }
}

void Script::start(ServerId id) {
  Server& server = servers_[id];
  CHECK(server.core == nullptr);
  server.tables = server.durable;
  server.unwritten.reset();
  server.unapplied.clear();
  server.incoming.clear();
  RecoveredState recovered{server.log.open().value(), server.tables.recovered};
  server.core = std::make_unique<Core>(options_, id, std::move(recovered), Rng(id.value() * 1000 + ++server.starts),
                                       server.now);
  server.core->check_invariants();
}

void Script::request(const std::vector<std::string>& words) {
  const ServerId id = id_of(words.at(1));
  const RequestId request(++requests_);
  if (words[0] == "propose") {
    Propose propose;
    for (std::size_t i = 2; i < words.size(); ++i) {
      const auto times = words[i].find('*');  // x*100: a payload of 100 bytes
      const std::string payload =
          times == std::string::npos ? words[i] : std::string(number(words[i].substr(times + 1)), words[i][0]);
      propose.proposals.push_back({i == 2 ? request : RequestId(++requests_), payload});
    }
    step(id, std::move(propose));
  } else if (words[0] == "read") {
    step(id, Read{request});
  } else if (words[0] == "transfer") {
    step(id, Transfer{request, id_of(words.at(2))});
  } else {
    static const std::map<std::string, MembershipChange::Kind> kKinds = {
        {"add", MembershipChange::Kind::AddLearner},
        {"promote", MembershipChange::Kind::Promote},
        {"demote", MembershipChange::Kind::Demote},
        {"remove", MembershipChange::Kind::Remove}};
    step(id, ChangeMembership{request, {kKinds.at(words.at(2)), id_of(words.at(3))}});
  }
}

void Script::network(const std::vector<std::string>& words) {
  const std::string link = words.size() > 1 ? words[1] : "";
  if (words[0] == "deliver") {
    deliver(link);
  } else if (words[0] == "drop") {
    std::erase_if(messages_, [&](const Message& m) { return link.empty() || link_of(m) == link; });
  } else if (words[0] == "heal") {
    cut_.clear();
  } else if (const auto arrow = link.find("->"); arrow != std::string::npos) {
    cut_.insert({id_of(link.substr(0, arrow)), id_of(link.substr(arrow + 2))});
  } else {
    for (std::size_t i = 2; i < words.size(); ++i) {
      cut_.insert({id_of(link), id_of(words[i])});
      cut_.insert({id_of(words[i]), id_of(link)});
    }
  }
}

void Script::machine(const std::vector<std::string>& words) {
  const std::string& verb = words[0];
  if (verb == "elapse") return elapse(milliseconds(number(words.at(1))));
  if (verb == "wait") {
    const auto named = [&](ServerId id) {
      return words.size() == 2 || std::find(words.begin() + 2, words.end(), std::to_string(id.value())) != words.end();
    };
    for (auto& [id, each] : servers_)
      if (named(id)) each.now += milliseconds(number(words.at(1)));
    return;
  }
  if (verb == "show") {
    for (std::size_t i = 1; i < words.size(); ++i) show(id_of(words[i]));
    return;
  }
  const ServerId id = id_of(words.at(1));
  if (verb == "fresh" || verb == "restart") return start(id);
  Server& one = server(words[1]);
  if (verb == "timeout") {
    one.now = std::max(one.now, one.core->next_deadline());
    step(id, Tick{});
  } else if (verb == "crash") {
    one.core.reset();
    one.unwritten.reset();
    one.unapplied.clear();
  } else if (verb == "damage") {
    one.log.damage(Index(number(words.at(2))));
  } else if (verb == "flush") {
    one.durable = one.tables;
    step(id, StateFlushed{one.tables.recovered.applied});
  } else if (verb == "lease") {
    print(fmt::format("{} lease {}", words[1], one.core->lease_valid(one.now) ? "valid" : "not valid"));
  } else if (verb == "disk" && (words.at(2) == "full" || words[2] == "room")) {
    step(id, StorageFull{words[2] == "full"});
  } else if (verb == "disk") {
    one.disk_held = words.at(2) == "hold";
    if (!one.disk_held) write(id);
  } else {
    CHECK(verb == "apply", "unknown command {}", verb);
    one.apply_held = words.at(2) == "hold";
    if (!one.apply_held) apply_now(id);
  }
}

void Script::step(ServerId id, Event event) {
  Server& server = servers_.at(id);
  server.inbox.push_back(std::move(event));
  if (server.inbox.size() > 1) return;  // the call below will come to it
  while (!server.inbox.empty()) {
    if (server.core != nullptr) {
      Actions actions = server.core->step(server.now, std::move(server.inbox.front()));
      check(id);
      carry_out(id, std::move(actions));
    }
    server.inbox.pop_front();
  }
}

void Script::carry_out(ServerId id, Actions actions) {
  replies(id, actions);
  for (Message& message : actions.messages) {
    auto copy = decode_message(encode_message(message));
    CHECK(copy.ok() && *copy == message, "{}", describe(message));
    const bool lost = cut_.contains({message.from, message.to}) || !servers_.contains(message.to);
    if (!boring(message)) print(describe(message) + (lost ? "  (lost)" : ""));
    if (!lost) messages_.push_back(std::move(message));
  }
  if (actions.persist) persist(id, std::move(*actions.persist));
  for (const SnapshotAction& action : actions.snapshots) snapshot(id, action);
  if (!actions.apply.empty()) apply(id, std::move(actions.apply));
  for (const LoadEntries& load : actions.loads) {
    auto entries = servers_.at(id).log.read(load.first, load.end, load.max_bytes);
    print(fmt::format("{} loads entries from {} for {}", id.value(), load.first.value(), load.follower.value()));
    step(id, EntriesLoaded{load.follower, entries.ok() ? std::move(entries).value() : std::vector<Entry>{}});
  }
}

void Script::replies(ServerId id, const Actions& actions) {
  if (const auto& role = actions.role)
    print(fmt::format("{} is {} in term {}{}", id.value(), role_name(role->role), role->term.value(),
                      role->role == Role::Follower ? fmt::format(", leader {}", role->leader.value()) : ""));
  for (const Outcome& outcome : actions.outcomes)
    print(outcome.result.ok() ? fmt::format("{} request {}: {}", id.value(), outcome.id.value(), at(*outcome.result))
                              : fmt::format("{} request {}: {}: {}", id.value(), outcome.id.value(),
                                            code_name(outcome.result.error().code), outcome.result.error().message));
  for (const ReadOutcome& read : actions.reads)
    print(read.index.ok() ? fmt::format("{} read {}: at {}", id.value(), read.id.value(), read.index->value())
                          : fmt::format("{} read {}: {}: {}", id.value(), read.id.value(),
                                        code_name(read.index.error().code), read.index.error().message));
}

void Script::persist(ServerId id, PersistBatch batch) {
  Server& server = servers_.at(id);
  CHECK(!server.unwritten, "a second batch before the first is durable");
  print(fmt::format("{} writes {}{}", id.value(), batch_text(batch), server.disk_held ? "  (held)" : ""));
  server.unwritten = std::move(batch);
  if (!server.disk_held) write(id);
}

void Script::write(ServerId id) {
  Server& server = servers_.at(id);
  if (!server.unwritten) return;
  Durable proof = server.log.write(*server.unwritten).value();
  server.unwritten.reset();
  step(id, Persisted{std::move(proof)});
}

void Script::apply(ServerId id, std::vector<Entry> entries) {
  Server& server = servers_.at(id);
  print(fmt::format("{} applies {}{}", id.value(), range(entries), server.apply_held ? "  (held)" : ""));
  for (Entry& entry : entries) {
    const auto [known, first] = committed_.emplace(entry.index, entry);
    CHECK(known->second == entry, "server {} applies another entry {}", id.value(), entry.index.value());
    server.unapplied.push_back(std::move(entry));
  }
  if (!server.apply_held) apply_now(id);
}

void Script::apply_now(ServerId id) {
  Server& server = servers_.at(id);
  if (server.unapplied.empty()) return;
  for (const Entry& entry : server.unapplied) {
    CHECK(entry.index == server.tables.recovered.applied + 1, "a gap in what is applied");
    server.tables.recovered.applied = entry.index;
    if (entry.kind == EntryKind::Command) server.tables.rows.push_back(entry.payload);
  }
  server.unapplied.clear();
  step(id, Applied{server.tables.recovered.applied});
}

void Script::snapshot(ServerId id, const SnapshotAction& action) {
  Server& server = servers_.at(id);
  if (std::holds_alternative<OpenSnapshot>(action)) {
    const SnapshotId snapshot = std::get<OpenSnapshot>(action).id;
    print(fmt::format("{} opens a snapshot of {}", id.value(), server.tables.recovered.applied.value()));
    server.open_snapshots[snapshot.value()] = 0;
    server.open_rows[snapshot.value()] = server.tables.rows;
    step(id, SnapshotOpened{snapshot, server.tables.recovered.applied});
  } else if (std::holds_alternative<ReadSnapshot>(action)) {
    const SnapshotId snapshot = std::get<ReadSnapshot>(action).id;
    const auto& rows = server.open_rows.at(snapshot.value());
    std::size_t& sent = server.open_snapshots.at(snapshot.value());
    const std::size_t end = std::min(rows.size(), sent + kRowsPerChunk);
    const std::vector<std::string> part(rows.begin() + static_cast<std::ptrdiff_t>(sent),
                                        rows.begin() + static_cast<std::ptrdiff_t>(end));
    sent = end;
    step(id, SnapshotRead{snapshot, pack(part), end == rows.size()});
  } else if (std::holds_alternative<CloseSnapshot>(action)) {
    print(fmt::format("{} closes the snapshot", id.value()));
  } else if (const auto* write = std::get_if<WriteSnapshot>(&action)) {
    if (write->sequence == 0) server.incoming.clear();
    unpack(write->data, server.incoming);
    step(id, SnapshotWritten{write->id, write->sequence});
  } else if (const auto* install = std::get_if<InstallSnapshot>(&action)) {
    print(fmt::format("{} installs a snapshot of {}", id.value(), at(install->base.position)));
    server.tables = {{install->base.position.index, install->base}, server.incoming};
    server.durable = server.tables;
    step(id, SnapshotInstalled{install->id});
  } else {
    print(fmt::format("{} discards what it has of the snapshot", id.value()));
  }
}

bool Script::deliver_one(const std::string& link) {
  const auto next = std::find_if(messages_.begin(), messages_.end(),
                                 [&](const Message& m) { return link.empty() || link_of(m) == link; });
  if (next == messages_.end()) return false;
  Message message = std::move(*next);
  messages_.erase(next);
  const ServerId to = message.to;
  if (servers_.at(to).core != nullptr) step(to, Receive{std::move(message)});
  return true;
}

void Script::deliver(const std::string& link) {
  constexpr int kDeliveriesMax = 2000;
  const std::size_t waiting = messages_.size();
  if (!link.empty()) {
    for (std::size_t i = 0; i < waiting && deliver_one(link); ++i) {
    }
    return;
  }
  int delivered = 0;
  while (deliver_one("")) CHECK(++delivered < kDeliveriesMax, "the servers do not come to rest");
}

void Script::elapse(Duration duration) {
  // Offsets of the servers' clocks stay; the next deadline anywhere comes first.
  Duration passed{};
  while (true) {
    deliver("");
    ServerId next = kNoServer;
    Duration until = duration - passed;
    for (auto& [id, server] : servers_) {
      if (server.core == nullptr || server.core->next_deadline() == kNever) continue;
      const Duration due = std::max(Duration::zero(), server.core->next_deadline() - server.now);
      if (due < until) {
        until = due;
        next = id;
      }
    }
    for (auto& [id, server] : servers_) server.now += until;
    passed += until;
    if (next == kNoServer) return;
    step(next, Tick{});
  }
}

void Script::show(ServerId id) {
  const Server& server = servers_.at(id);
  if (server.core == nullptr) return print(fmt::format("{} is down", id.value()));
  const Core& core = *server.core;
  print(fmt::format("{} {} term {} leader {} last {} commit {} applied {}{}, voters {}{}{}", id.value(),
                    role_name(core.role()), core.term().value(), core.leader().value(), at(core.last()),
                    core.commit().value(), core.applied().value(), core.damaged() ? " damaged" : "",
                    ids_text(core.configuration().voters),
                    core.configuration().learners.empty() ? "" : " learners " + ids_text(core.configuration().learners),
                    core.base().index == Index{} ? "" : ", base " + at(core.base())));
}

void Script::check(ServerId id) {
  const Core& core = *servers_.at(id).core;
  core.check_invariants();
  if (core.role() != Role::Leader) return;
  const auto [known, first] = leaders_.emplace(core.term(), id);
  CHECK(known->second == id, "servers {} and {} lead term {}", id.value(), known->second.value(), core.term().value());
}

}  // namespace mesh::raft
