// WatchHub: the watch streams of all subscribed agents (docs/formats/watch.md). Each change of the catalog is
// encoded once and its bytes are shared by all subscribers; a snapshot is made in pieces, as each stream
// drains, from the immutable version of the time of the subscription.
//
// Thread: the raft loop. Ownership: the hub owns the streams; the loop outlives it; destroying it ends all
// streams. Limits: kSubscribersMax streams; a subscriber with more than kQueueDeltasMax messages or
// kQueueBytesMax waiting is cut off and subscribes again; the newest deltas are kept up to kHistoryBytesMax
// for those who resume.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "base/metrics.h"
#include "base/time.h"
#include "model/catalog.h"
#include "model/protocol.h"
#include "net/loop.h"
#include "net/rpc.h"
#include "net/timer.h"

namespace mesh::server {

class WatchHub {
 public:
  static constexpr std::size_t kSubscribersMax = 20'000;
  static constexpr std::size_t kQueueDeltasMax = 4096;
  static constexpr std::size_t kQueueBytesMax = std::size_t{8} << 20;
  static constexpr std::size_t kHistoryBytesMax = std::size_t{8} << 20;
  static constexpr std::size_t kSnapshotPieceBytes = std::size_t{256} << 10;
  static constexpr Duration kHeartbeatInterval = seconds(1);

  // What heartbeats tell, and who hears that a subscriber's side ended its stream (it may be gone).
  struct Source {
    std::function<std::uint64_t()> applied_index;
    std::function<Duration()> leader_contact;
    std::function<void(const std::string& node_id)> on_stream_end = nullptr;
  };

  WatchHub(net::Loop& loop, Source source, MetricRegistry* metrics = nullptr);
  ~WatchHub();
  WatchHub(const WatchHub&) = delete;
  WatchHub& operator=(const WatchHub&) = delete;

  // The whole catalog was replaced: every stream ends (Unavailable) and its agent subscribes again.
  void on_loaded(const model::Catalog& catalog);
  // `changes` led to `catalog`. Rows of other tables are left out.
  void on_changes(const model::ChangeSet& changes, const model::Catalog& catalog);

  // Refused by ending the stream: Unsupported (version), Overloaded, Unavailable (this server knows less than
  // the agent).
  void subscribe(const model::WatchRequest& request, std::unique_ptr<net::RpcServerStream> stream);

  // Ends the streams of this node with Denied: it is no member any more.
  void drop(std::string_view node_id);

  // Sees to it that every subscriber is told soon that its catalog is that of `index` or later.
  void announce(std::uint64_t index);

  // The index of the last change of the catalog: a replica that has reached it lacks nothing so far.
  [[nodiscard]] std::uint64_t changed_at() const { return changed_at_; }
  [[nodiscard]] std::size_t subscribers() const { return subscribers_.size(); }

 private:
  class Subscriber;
  struct Delta {
    std::uint64_t index;
    std::vector<model::TableHash> hashes;  // after it
    net::SharedBytes bytes;
  };

  [[nodiscard]] net::SharedBytes heartbeat() const;
  void on_timer();
  void send_heartbeats();
  void keep(Delta delta);
  [[nodiscard]] bool can_resume(const model::WatchRequest& request) const;
  void closed(Subscriber& subscriber);
  // Takes it out of the list and destroys it after the callback in progress.
  void remove(Subscriber& subscriber);

  net::Loop& loop_;
  Source source_;
  model::Catalog catalog_;
  std::uint64_t changed_at_ = 0;
  std::uint64_t announced_ = 0;  // index of the last message that went to all
  std::deque<Delta> history_;
  std::size_t history_bytes_ = 0;
  std::uint64_t history_from_ = 0;       // history_ holds every change behind this index
  std::vector<model::TableHash> history_from_hashes_;  // at that index
  std::list<std::unique_ptr<Subscriber>> subscribers_;
  Gauge streams_;
  Counter cut_off_;
  net::Timer timer_;
};

}  // namespace mesh::server
