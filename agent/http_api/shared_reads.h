// Reads of replicated data: freshness and blocking. A read passes up to three stages: a server tells from which index
// on an answer is fresh enough (not for stale reads); the view reaches that index; if the client gave an index, the
// object changes beyond it. The first two end by kReadTime with an error, the last by the client's wait with the
// answer as it is.
//
// Equal waiting queries (same path and parameters) form a group: a new view asks the handler once per group, and one
// rendered body goes to all of them; a group whose object did not change costs one index lookup and wakes nobody.
//
// Belongs to the API loop. Limit: kWaitingReadsMax at a time; more are refused with Overloaded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "agent/http_api/call.h"
#include "agent/http_api/routes.h"
#include "base/rng.h"
#include "net/timer.h"

namespace mesh::agent {

inline constexpr std::size_t kWaitingReadsMax = 20000;

class SharedReads {
 public:
  SharedReads(ApiParts& parts, Rng rng, MetricRegistry* metrics);
  SharedReads(const SharedReads&) = delete;
  SharedReads& operator=(const SharedReads&) = delete;

  // Answers `exchange` now or later. REQUIRES route.scope is Shared.
  void start(const Route& route, Target target, AgentViewPtr view, std::unique_ptr<net::HttpExchange> exchange);
  // A newer view: answers whom it wakes.
  void on_view(const AgentViewPtr& view);
  // Answers everything that waits: blocking reads as if their wait were over, the others with Unavailable.
  void finish_all();

  [[nodiscard]] std::size_t waiting() const { return reads_.size(); }

 private:
  using ReadId = std::uint64_t;
  struct Read {
    ReadId id = 0;
    ReadHandler handler = nullptr;
    Target target;
    ReadOptions options;
    std::uint64_t fresh_from = 0;  // an answer of this index or later
    bool barrier_done = false;
    MonoTime deadline{};
    std::string group;             // not empty while it waits for a change
    std::unique_ptr<net::HttpExchange> exchange;
  };

  void admit(Read read);
  void on_barrier(ReadId id, const Result<std::uint64_t>& index);
  void advance(ReadId id);
  void wait_for_change(Read& read);
  void answer(ReadId id, std::uint64_t min_index);
  void reply(Read& read, std::uint64_t index, const std::string& body) const;
  void fail(ReadId id, const Error& error);
  void wake_group(const std::string& group);
  Read take(ReadId id);
  [[nodiscard]] bool waits_for_change(const Read& read) const;
  void on_deadline();
  void arm();

  ApiParts& parts_;
  Rng rng_;
  AgentViewPtr view_;
  ReadId next_id_ = 1;
  std::unordered_map<ReadId, Read> reads_;
  std::unordered_set<ReadId> behind_;                     // wait for the view to reach fresh_from
  std::map<std::string, std::unordered_set<ReadId>> groups_;
  std::multimap<MonoTime, ReadId> deadlines_;
  net::Timer timer_;
  Gauge waiting_;
  Counter woken_;
};

}  // namespace mesh::agent
