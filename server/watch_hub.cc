#include "server/watch_hub.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/log.h"

namespace mesh::server {

namespace {

net::SharedBytes shared(const model::WatchMessage& message) {
  return std::make_shared<const Bytes>(encode(message));
}

void refuse(std::unique_ptr<net::RpcServerStream> stream, Error why) { stream->end(std::move(why)); }

}  // namespace

// One stream: first a snapshot piece by piece (if it needs one), then what is queued.
class WatchHub::Subscriber final : public net::RpcServerStreamObserver {
 public:
  Subscriber(WatchHub& hub, std::string node_id, std::unique_ptr<net::RpcServerStream> stream)
      : hub_(hub), node_id_(std::move(node_id)), stream_(std::move(stream)) {
    stream_->set_observer(this);
  }
  ~Subscriber() override { stream_->set_observer(nullptr); }

  void begin_snapshot(const model::Catalog& catalog) {
    snapshot_ = std::make_unique<Snapshot>(Snapshot{catalog, {}});
    model::WatchMessage begin;
    begin.kind = model::WatchKind::SnapshotBegin;
    begin.index = catalog.index();
    writable_ = stream_->send(shared(begin));
  }

  // False: too much is waiting.
  [[nodiscard]] bool push(net::SharedBytes message) {
    queued_bytes_ += message->size();
    queue_.push_back(std::move(message));
    pump();
    return queue_.size() <= kQueueDeltasMax && queued_bytes_ <= kQueueBytesMax;
  }

  void pump() {
    while (writable_ && (snapshot_ != nullptr || !queue_.empty())) {
      writable_ = stream_->send(snapshot_ != nullptr ? next_piece() : pop());
    }
  }

  void end(Error why) { stream_->end(std::move(why)); }
  [[nodiscard]] const std::string& node_id() const { return node_id_; }

  void on_writable() override {
    writable_ = true;
    pump();
  }
  void on_closed() override { hub_.closed(*this); }

 private:
  struct Snapshot {
    model::Catalog catalog;
    model::Catalog::RowCursor cursor;
  };

  net::SharedBytes next_piece() {
    model::WatchMessage message;
    message.index = snapshot_->catalog.index();
    message.rows = snapshot_->catalog.next_rows(snapshot_->cursor, kSnapshotPieceBytes);
    message.kind = model::WatchKind::SnapshotRows;
    if (message.rows.empty()) {
      message.kind = model::WatchKind::SnapshotEnd;
      message.hashes = snapshot_->catalog.table_hashes();
      message.leader_contact = hub_.source_.leader_contact();
      snapshot_.reset();
    }
    return shared(message);
  }

  net::SharedBytes pop() {
    net::SharedBytes message = std::move(queue_.front());
    queue_.pop_front();
    queued_bytes_ -= message->size();
    return message;
  }

  WatchHub& hub_;
  std::string node_id_;
  std::unique_ptr<net::RpcServerStream> stream_;
  std::unique_ptr<Snapshot> snapshot_;
  std::deque<net::SharedBytes> queue_;
  std::size_t queued_bytes_ = 0;
  bool writable_ = true;
};

WatchHub::WatchHub(net::Loop& loop, Source source, MetricRegistry* metrics)
    : loop_(loop), source_(std::move(source)), timer_(loop, [this] { on_timer(); }) {
  if (metrics != nullptr) {
    streams_ = metrics->gauge({"meshd_watch_streams", "Agents that follow the catalog at this server"});
    cut_off_ = metrics->counter({"meshd_watch_cut_off_total", "Watch streams ended because their agents were too slow"});
  }
  timer_.start_after(kHeartbeatInterval);
}

WatchHub::~WatchHub() {
  for (auto& subscriber : subscribers_) subscriber->end(error(Code::Unavailable, "the server is stopping"));
}

// --- changes

void WatchHub::on_loaded(const model::Catalog& catalog) {
  while (!subscribers_.empty()) {
    subscribers_.front()->end(error(Code::Unavailable, "the server's state was replaced: subscribe again"));
    remove(*subscribers_.front());
  }
  catalog_ = catalog;
  announced_ = changed_at_ = catalog.index();
  history_.clear();
  history_bytes_ = 0;
  history_from_ = catalog.index();
  history_from_hashes_ = catalog.table_hashes();
}

void WatchHub::on_changes(const model::ChangeSet& changes, const model::Catalog& catalog) {
  catalog_ = catalog;
  model::WatchMessage message;
  for (const model::RowChange& row : changes.rows) {
    if (model::is_catalog_table(row.table_id)) message.rows.push_back(row);
  }
  if (message.rows.empty()) return;
  message.kind = model::WatchKind::Delta;
  message.index = changes.index;
  message.hashes = catalog.table_hashes();
  message.leader_contact = source_.leader_contact();
  Delta delta{changes.index, message.hashes, shared(message)};
  announced_ = changed_at_ = changes.index;
  std::vector<Subscriber*> slow;
  for (auto& subscriber : subscribers_) {
    if (!subscriber->push(delta.bytes)) slow.push_back(subscriber.get());
  }
  keep(std::move(delta));
  for (Subscriber* subscriber : slow) {
    cut_off_.add();
    LOG_WARN("watch stream too slow, cut off", {"node", subscriber->node_id()});
    subscriber->end(error(Code::Overloaded, "too many changes are waiting: subscribe again"));
    remove(*subscriber);
  }
}

void WatchHub::keep(Delta delta) {
  history_bytes_ += delta.bytes->size();
  history_.push_back(std::move(delta));
  while (history_bytes_ > kHistoryBytesMax) {
    Delta& oldest = history_.front();
    history_bytes_ -= oldest.bytes->size();
    history_from_ = oldest.index;
    history_from_hashes_ = std::move(oldest.hashes);
    history_.pop_front();
  }
}

// --- heartbeats

net::SharedBytes WatchHub::heartbeat() const {
  model::WatchMessage message;
  message.kind = model::WatchKind::Heartbeat;
  message.index = source_.applied_index();
  message.hashes = catalog_.table_hashes();
  message.leader_contact = source_.leader_contact();
  return shared(message);
}

void WatchHub::on_timer() {
  send_heartbeats();
  timer_.start_after(kHeartbeatInterval);
}

void WatchHub::announce(std::uint64_t index) {
  if (announced_ < index) send_heartbeats();
}

// A heartbeat that would overfill a queue is not worth cutting its subscriber off: the next delta decides
// that.
void WatchHub::send_heartbeats() {
  announced_ = std::max(announced_, source_.applied_index());
  if (subscribers_.empty()) return;
  const net::SharedBytes bytes = heartbeat();
  for (auto& subscriber : subscribers_) (void)subscriber->push(bytes);
}

// --- subscriptions

bool WatchHub::can_resume(const model::WatchRequest& request) const {
  if (request.known_index == 0 || request.known_index < history_from_) return false;
  const std::vector<model::TableHash>* hashes = &history_from_hashes_;
  for (const Delta& delta : history_) {
    if (delta.index > request.known_index) break;
    hashes = &delta.hashes;
  }
  return !request.known_hashes.empty() &&
         std::all_of(request.known_hashes.begin(), request.known_hashes.end(), [&](const model::TableHash& known) {
           return model::hash_in(*hashes, known.table_id) == known.hash;
         });
}

void WatchHub::subscribe(const model::WatchRequest& request, std::unique_ptr<net::RpcServerStream> stream) {
  if (request.version != model::kWatchVersion) {
    return refuse(std::move(stream), error(Code::Unsupported, "watch version {}; this server speaks {}",
                                           request.version, model::kWatchVersion));
  }
  if (subscribers_.size() >= kSubscribersMax) {
    return refuse(std::move(stream), error(Code::Overloaded, "more than {} watch streams", kSubscribersMax));
  }
  if (request.known_index > source_.applied_index()) {
    return refuse(std::move(stream),
                  error(Code::Unavailable, "this server is at index {}, behind the agent at {}",
                        source_.applied_index(), request.known_index));
  }
  auto owned = std::make_unique<Subscriber>(*this, request.node_id, std::move(stream));
  Subscriber& subscriber = *owned;
  subscribers_.push_back(std::move(owned));
  streams_.set(static_cast<double>(subscribers_.size()));
  if (!can_resume(request)) {
    subscriber.begin_snapshot(catalog_);
  } else {
    for (const Delta& delta : history_) {
      if (delta.index > request.known_index) (void)subscriber.push(delta.bytes);
    }
  }
  (void)subscriber.push(heartbeat());
}

void WatchHub::drop(std::string_view node_id) {
  std::vector<Subscriber*> gone;
  for (auto& subscriber : subscribers_) {
    if (subscriber->node_id() == node_id) gone.push_back(subscriber.get());
  }
  for (Subscriber* subscriber : gone) {
    subscriber->end(error(Code::Denied, "this node {}", model::kRemovedWords));
    remove(*subscriber);
  }
}

void WatchHub::closed(Subscriber& subscriber) {
  if (source_.on_stream_end) source_.on_stream_end(subscriber.node_id());
  remove(subscriber);
}

void WatchHub::remove(Subscriber& subscriber) {
  for (auto it = subscribers_.begin(); it != subscribers_.end(); ++it) {
    if (it->get() != &subscriber) continue;
    loop_.destroy_later(std::move(*it));
    subscribers_.erase(it);
    return streams_.set(static_cast<double>(subscribers_.size()));
  }
}

}  // namespace mesh::server
