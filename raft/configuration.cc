#include "raft/configuration.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "raft/storage.h"

namespace mesh::raft {
namespace {

constexpr char kConfigurationVersion = 1;
constexpr std::size_t kConfigurationBytesMax = 4096;  // of its encoding

bool has_duplicates(const std::vector<ServerId>& sorted) {
  return std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
}

std::vector<ServerId> with(std::vector<ServerId> list, ServerId id) {
  list.insert(std::upper_bound(list.begin(), list.end(), id), id);
  return list;
}

std::vector<ServerId> without(std::vector<ServerId> list, ServerId id) {
  std::erase(list, id);
  return list;
}

}  // namespace

Result<Configuration> make_configuration(std::vector<ServerId> voters, std::vector<ServerId> learners) {
  if (voters.size() + learners.size() > kServersMax)
    return error(Code::Invalid, "{} servers, at most {} are allowed", voters.size() + learners.size(), kServersMax);
  std::sort(voters.begin(), voters.end());
  std::sort(learners.begin(), learners.end());
  std::vector<ServerId> all;
  std::merge(voters.begin(), voters.end(), learners.begin(), learners.end(), std::back_inserter(all));
  if (has_duplicates(all)) return error(Code::Invalid, "a server is named twice");
  if (!all.empty() && all.front() == kNoServer) return error(Code::Invalid, "0 is not a server id");
  return Configuration{std::move(voters), std::move(learners)};
}

Bytes encode_configuration(const Configuration& configuration) {
  Bytes out(1, kConfigurationVersion);
  encode_to(out, configuration);
  return out;
}

Result<Configuration> decode_configuration(ByteView bytes) {
  if (bytes.empty()) return error(Code::Corrupt, "configuration: empty");
  if (bytes.front() != kConfigurationVersion)
    return error(Code::Unsupported, "configuration: version {}", static_cast<int>(bytes.front()));
  bytes.remove_prefix(1);
  auto read = decode<Configuration>(bytes, {.size_max = kConfigurationBytesMax, .memory_max = kConfigurationBytesMax});
  if (!read.ok()) return std::move(read).error().context("while reading a configuration");
  auto made = make_configuration(std::move(read->voters), std::move(read->learners));
  if (!made.ok()) return error(Code::Corrupt, "configuration: {}", made.error().message);
  return made;
}

Result<Configuration> apply_change(const Configuration& from, const MembershipChange& change) {
  const ServerId id = change.server;
  Configuration to = from;
  switch (change.kind) {
    case MembershipChange::Kind::AddLearner:
      if (id == kNoServer) return error(Code::Invalid, "0 is not a server id");
      if (from.contains(id)) return error(Code::Invalid, "server {} is a member already", id.value());
      if (from.voters.size() + from.learners.size() >= kServersMax)
        return error(Code::Invalid, "{} servers are the limit", kServersMax);
      to.learners = with(std::move(to.learners), id);
      return to;
    case MembershipChange::Kind::Promote:
      if (!from.is_learner(id)) return error(Code::Invalid, "server {} is no learner", id.value());
      to.learners = without(std::move(to.learners), id);
      to.voters = with(std::move(to.voters), id);
      return to;
    case MembershipChange::Kind::Demote:
      if (!from.is_voter(id)) return error(Code::Invalid, "server {} is no voter", id.value());
      to.voters = without(std::move(to.voters), id);
      to.learners = with(std::move(to.learners), id);
      break;
    case MembershipChange::Kind::Remove:
      if (!from.contains(id)) return error(Code::Invalid, "server {} is no member", id.value());
      to.voters = without(std::move(to.voters), id);
      to.learners = without(std::move(to.learners), id);
      break;
  }
  if (to.voters.empty()) return error(Code::Invalid, "server {} is the last voter", id.value());
  return to;
}

void ConfigurationHistory::reset(const LogBase& base) {
  CHECK(base.configuration_index <= base.position.index);
  history_.clear();
  history_.push_back({base.configuration_index, base.configuration});
}

void ConfigurationHistory::append(Index index, Configuration configuration) {
  CHECK(index > history_.back().index);
  history_.push_back({index, std::move(configuration)});
}

void ConfigurationHistory::truncate(Index from) {
  while (history_.size() > 1 && history_.back().index >= from) history_.pop_back();
  CHECK(history_.back().index < from, "the configuration of the base was cut off");
}

void ConfigurationHistory::compact(Index index) {
  const auto next = std::find_if(history_.begin(), history_.end(), [&](const At& at) { return at.index > index; });
  CHECK(next != history_.begin());
  history_.erase(history_.begin(), next - 1);
}

const ConfigurationHistory::At& ConfigurationHistory::at(Index index) const {
  const auto next = std::find_if(history_.begin(), history_.end(), [&](const At& at) { return at.index > index; });
  CHECK(next != history_.begin(), "configuration at {} was compacted away", index.value());
  return *(next - 1);
}

PersistBatch bootstrap_batch(Configuration configuration) {
  CHECK(!configuration.voters.empty(), "a cluster needs a voter");
  PersistBatch batch;
  batch.hard_state = HardState{};
  batch.reset = LogBase{{}, std::move(configuration), {}};
  return batch;
}

}  // namespace mesh::raft
