#include "agent/http_api/shared_reads.h"

#include <algorithm>

#include "agent/http_api/read_headers.h"
#include "agent/http_api/reading.h"
#include "net/loop.h"

namespace mesh::agent {
namespace {

constexpr std::int64_t kWaitJitterDivisor = 16;  // Consul's: up to a sixteenth of the wait is added

// What makes two waiting queries the same: everything but how long and from when they wait.
std::string group_of(const Route& route, const Target& target) {
  std::string key(route.path);
  for (const std::string& argument : target.arguments) key += '\0' + argument;
  for (const auto& [name, value] : target.query.items()) {
    if (name == "index" || name == "wait" || name == "stale" || name == "consistent" || name == "near") continue;
    key += '\0' + name + '=' + value;
  }
  return key;
}

Error no_catalog() {
  return error(Code::Unavailable,
               "No cluster leader: this agent has not received the catalog yet; is a server running?");
}

}  // namespace

SharedReads::SharedReads(ApiParts& parts, Rng rng, MetricRegistry* metrics)
    : parts_(parts), rng_(std::move(rng)), timer_(parts.loop, [this] { on_deadline(); }) {
  if (metrics == nullptr) return;
  waiting_ = metrics->gauge({.name = "meshd_http_waiting_reads", .help = "API reads that wait for a change or a server."});
  woken_ = metrics->counter({.name = "meshd_http_woken_reads_total", .help = "Blocking API reads answered by a change."});
}

void SharedReads::start(const Route& route, Target target, AgentViewPtr view,
                        std::unique_ptr<net::HttpExchange> exchange) {
  view_ = std::move(view);
  const Status known = check_datacenter(target.query.get("dc").value_or(""), view_->datacenter);
  if (!known.ok()) return exchange->reply(error_response(known.error()));
  auto options = read_options(target);
  if (!options.ok()) return exchange->reply(error_response(options.error()));
  if (reads_.size() >= kWaitingReadsMax) {
    return exchange->reply(error_response(error(Code::Overloaded, "{} reads wait already: try again later", reads_.size())));
  }
  Read read;
  read.id = next_id_++;
  read.handler = std::get<ReadHandler>(route.handler);
  read.group = options->min_index != 0 ? group_of(route, target) : std::string();
  read.target = std::move(target);
  read.options = *options;
  read.deadline = parts_.loop.now() + kReadTime;
  read.exchange = std::move(exchange);
  admit(std::move(read));
}

void SharedReads::admit(Read read) {
  const ReadId id = read.id;
  const bool stale = read.options.mode == model::ReadMode::Stale;
  if (stale && !view_->replica_ready) return read.exchange->reply(error_response(no_catalog()));
  read.barrier_done = stale;
  read.exchange->set_on_closed([this, id] { (void)take(id); });
  deadlines_.emplace(read.deadline, id);
  const model::ReadMode mode = read.options.mode;
  const MonoTime deadline = read.deadline;
  reads_.emplace(id, std::move(read));
  if (stale) {
    advance(id);
  } else {
    parts_.servers.barrier(mode, deadline, [this, id](const Result<std::uint64_t>& index) { on_barrier(id, index); });
  }
  waiting_.set(static_cast<double>(reads_.size()));
  arm();
}

void SharedReads::on_barrier(ReadId id, const Result<std::uint64_t>& index) {
  const auto found = reads_.find(id);
  if (found == reads_.end()) return;  // the client has gone
  if (!index.ok()) {
    return fail(id, error(index.error().code, "No cluster leader: {}; ?stale answers from what this agent knows",
                          index.error().message));
  }
  found->second.barrier_done = true;
  found->second.fresh_from = *index;
  advance(id);
  arm();
}

// The second and third stage.
void SharedReads::advance(ReadId id) {
  Read& read = reads_.at(id);
  if (!view_->replica_ready || view_->catalog.index() < read.fresh_from) {
    behind_.insert(id);
    return;
  }
  behind_.erase(id);
  answer(id, read.options.min_index);
}

// Answers unless the client has seen that already.
void SharedReads::answer(ReadId id, std::uint64_t min_index) {
  Read& read = reads_.at(id);
  Reading reading(*view_, read.target, min_index);
  const Status status = read.handler(reading);
  if (!status.ok()) return fail(id, status.error());
  if (!reading.wanted()) return wait_for_change(read);
  Read done = take(id);
  reply(done, reading.index(), reading.take_body());
}

void SharedReads::wait_for_change(Read& read) {
  const std::int64_t jitter_max = std::max<std::int64_t>(read.options.wait.count() / kWaitJitterDivisor, 1);
  const auto jitter = Duration(static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(jitter_max))));
  const auto [first, last] = deadlines_.equal_range(read.deadline);
  const auto own = std::find_if(first, last, [&](const auto& entry) { return entry.second == read.id; });
  if (own != last) deadlines_.erase(own);
  read.deadline = parts_.loop.now() + read.options.wait + jitter;
  deadlines_.emplace(read.deadline, read.id);
  groups_[read.group].insert(read.id);
}

void SharedReads::reply(Read& read, std::uint64_t index, const std::string& body) const {
  net::HttpResponse response = json_response(body);
  if (read.target.flag("pretty")) response.body += '\n';
  const bool stale = read.options.mode == model::ReadMode::Stale;
  add_read_headers(response, {.index = index,
                              .known_leader = view_->connected && !view_->leader.empty(),
                              .last_contact = stale ? parts_.loop.now() - view_->fresh_at : Duration{0}});
  read.exchange->reply(std::move(response));
}

void SharedReads::fail(ReadId id, const Error& error) {
  Read read = take(id);
  read.exchange->reply(error_response(error));
}

void SharedReads::on_view(const AgentViewPtr& view) {
  view_ = view;
  const std::vector<ReadId> behind(behind_.begin(), behind_.end());
  for (ReadId id : behind) {
    if (reads_.contains(id)) advance(id);
  }
  std::vector<std::string> groups;
  groups.reserve(groups_.size());
  for (const auto& [group, ids] : groups_) groups.push_back(group);
  for (const std::string& group : groups) wake_group(group);
  arm();
}

void SharedReads::wake_group(const std::string& group) {
  const auto found = groups_.find(group);
  if (found == groups_.end()) return;
  std::uint64_t oldest = UINT64_MAX;
  for (ReadId id : found->second) oldest = std::min(oldest, reads_.at(id).options.min_index);
  Reading reading(*view_, reads_.at(*found->second.begin()).target, oldest);
  const Status status = reads_.at(*found->second.begin()).handler(reading);
  if (status.ok() && !reading.wanted()) return;
  const std::string body = reading.take_body();
  const std::vector<ReadId> ids(found->second.begin(), found->second.end());
  for (ReadId id : ids) {
    const auto read = reads_.find(id);
    if (read == reads_.end() || (status.ok() && read->second.options.min_index >= reading.index())) continue;
    if (!status.ok()) {
      fail(id, status.error());
      continue;
    }
    woken_.add();
    Read done = take(id);
    reply(done, reading.index(), body);
  }
}

// The read leaves every list.
SharedReads::Read SharedReads::take(ReadId id) {
  auto node = reads_.extract(id);
  if (node.empty()) return {};
  Read read = std::move(node.mapped());
  behind_.erase(id);
  if (const auto group = groups_.find(read.group); group != groups_.end()) {
    group->second.erase(id);
    if (group->second.empty()) groups_.erase(group);
  }
  const auto [first, last] = deadlines_.equal_range(read.deadline);
  const auto own = std::find_if(first, last, [&](const auto& entry) { return entry.second == id; });
  if (own != last) deadlines_.erase(own);
  waiting_.set(static_cast<double>(reads_.size()));
  return read;
}

bool SharedReads::waits_for_change(const Read& read) const {
  const auto group = groups_.find(read.group);
  return group != groups_.end() && group->second.contains(read.id);
}

void SharedReads::finish_all() {
  while (!deadlines_.empty()) {
    const ReadId id = deadlines_.begin()->second;
    if (waits_for_change(reads_.at(id))) {
      answer(id, 0);
    } else {
      fail(id, error(Code::Unavailable, "the agent is stopping"));
    }
  }
  arm();
}

void SharedReads::on_deadline() {
  const MonoTime now = parts_.loop.now();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const ReadId id = deadlines_.begin()->second;
    const Read& read = reads_.at(id);
    if (waits_for_change(read)) {
      answer(id, 0);
    } else if (!read.barrier_done || !view_->replica_ready) {
      fail(id, no_catalog());
    } else {
      fail(id, error(Code::Timeout, "this agent's catalog is behind the servers (at {}, wanted {}); ?stale answers from it",
                     view_->catalog.index(), read.fresh_from));
    }
  }
  arm();
}

void SharedReads::arm() {
  if (deadlines_.empty()) {
    timer_.stop();
  } else {
    timer_.start_at(deadlines_.begin()->first);
  }
}

}  // namespace mesh::agent
