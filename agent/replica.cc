#include "agent/replica.h"

#include <algorithm>

#include "base/log.h"
#include "net/loop.h"

namespace mesh::agent {

Replica::Replica(net::Loop& loop, net::RpcChannel& channel, Rng rng, std::string node_id,
                 UniqueFunction<void()> on_change)
    : loop_(loop),
      channel_(channel),
      rng_(std::move(rng)),
      node_id_(std::move(node_id)),
      on_change_(std::move(on_change)),
      retry_(loop, [this] { subscribe(); }),
      silence_(loop, [this] {
        drop_stream(error(Code::Timeout, "no word from the server for {} s",
                          duration_cast<seconds>(kReplicaSilenceMax).count()));
      }) {}

Replica::~Replica() = default;

void Replica::restore(model::Catalog catalog, MonoTime fresh_at) {
  catalog_ = std::move(catalog);
  fresh_at_ = fresh_at;
  ready_ = true;
}

void Replica::start() {
  told_at_ = loop_.now();
  subscribe();
}

void Replica::subscribe() {
  model::WatchRequest request;
  request.version = model::kWatchVersion;
  request.node_id = node_id_;
  if (ready_ && !distrust_) {
    request.known_index = catalog_.index();
    request.known_hashes = catalog_.table_hashes();
  }
  snapshot_rows_.clear();
  snapshot_bytes_ = 0;
  stream_ = channel_.open({model::kWatchPath}, encode(request), *this);
  silence_.start_after(kReplicaSilenceMax);
}

void Replica::on_message(ByteView bytes) {
  auto message = decode<model::WatchMessage>(bytes);
  Status status = message.ok() ? take(std::move(message).value()) : Status(std::move(message).error());
  if (!status.ok()) return drop_stream(status.error());
  silence_.start_after(kReplicaSilenceMax);
}

Status Replica::take(model::WatchMessage message) {
  const Duration leader_contact = message.leader_contact;
  const bool complete = message.kind != model::WatchKind::SnapshotBegin && message.kind != model::WatchKind::SnapshotRows;
  switch (message.kind) {
    case model::WatchKind::SnapshotBegin:
      snapshot_rows_.clear();
      snapshot_bytes_ = 0;
      break;
    case model::WatchKind::SnapshotRows: {
      std::size_t bytes = 0;
      for (const auto& row : message.rows) bytes += row.key.size() + (row.value ? row.value->size() : 0);
      MESH_TRY_STATUS(take_snapshot_rows(std::move(message), bytes));
      break;
    }
    case model::WatchKind::SnapshotEnd: MESH_TRY_STATUS(take_snapshot_end(message)); break;
    case model::WatchKind::Delta: MESH_TRY_STATUS(take_delta(std::move(message))); break;
    case model::WatchKind::Heartbeat:
      MESH_TRY_STATUS(check_hash(message));
      if (message.index >= catalog_.index()) catalog_.advance(message.index);
      break;
  }
  if (!complete) return {};
  connected_ = true;
  backoff_ = kReplicaRetryMin;
  fresh_at_ = loop_.now() - leader_contact;
  on_change_();
  return {};
}

Status Replica::take_delta(model::WatchMessage message) {
  model::ChangeSet changes;
  changes.index = message.index;
  changes.rows = std::move(message.rows);
  MESH_TRY(next, catalog_.with_changes(changes));
  catalog_ = std::move(next);
  return check_hash(message);
}

Status Replica::take_snapshot_rows(model::WatchMessage message, std::size_t bytes) {
  snapshot_bytes_ += bytes;
  if (snapshot_bytes_ > kReplicaBytesMax) {
    backoff_ = kReplicaRetryMax;
    return error(Code::Overloaded, "the catalog has more than {} MiB, too much for an agent", kReplicaBytesMax >> 20);
  }
  std::move(message.rows.begin(), message.rows.end(), std::back_inserter(snapshot_rows_));
  return {};
}

Status Replica::take_snapshot_end(const model::WatchMessage& message) {
  MESH_TRY(next, catalog_.with_snapshot(message.index, snapshot_rows_));
  catalog_ = std::move(next);
  snapshot_rows_.clear();
  snapshot_rows_.shrink_to_fit();
  MESH_TRY_STATUS(check_hash(message));
  distrust_ = false;
  ready_ = true;
  return {};
}

Status Replica::check_hash(const model::WatchMessage& message) const {
  if (catalog_.agrees_with(message.hashes)) return {};
  return error(Code::Corrupt, "the catalog at index {} is another one here than at the server", message.index);
}

void Replica::on_end(Status status) {
  drop_stream(status.ok() ? error(Code::Unavailable, "the server ended the stream") : status.error());
}

void Replica::drop_stream(const Error& why) {
  const bool unreached = !connected_ && why.code == Code::Unavailable;
  if (!unreached || loop_.now() - told_at_ >= kReplicaRetryMax) {
    LOG_WARN("the catalog's watch stream broke; subscribing anew", {"why", why}, {"index", catalog_.index()});
    told_at_ = loop_.now();
  }
  if (why.code == Code::Corrupt) distrust_ = true;
  silence_.stop();
  stream_.reset();
  retry_.start_after(rng_.between(backoff_ / 2, backoff_));
  backoff_ = std::min(backoff_ * 2, unreached ? kReplicaUnreachedRetryMax : kReplicaRetryMax);
  if (std::exchange(connected_, false)) on_change_();
}

}  // namespace mesh::agent
