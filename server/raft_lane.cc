#include "server/raft_lane.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/log.h"
#include "net/loop.h"

namespace mesh::server {

namespace {

// A leader that hears nothing for so long counts as gone; the connection to it must not be older news than that.
constexpr Duration kUrgentKeepalive = milliseconds(500);
constexpr Duration kUrgentKeepaliveMax = seconds(1);
constexpr Duration kRedialPauseMax = seconds(1);

bool newest_suffices(std::size_t kind) {
  using raft::MessageBody;
  static const std::size_t heartbeat = MessageBody(raft::Heartbeat{}).index();
  static const std::size_t answer = MessageBody(raft::HeartbeatResponse{}).index();
  return kind == heartbeat || kind == answer;
}

}  // namespace

RaftMetrics::RaftMetrics(MetricRegistry* registry) {
  if (registry == nullptr) return;
  const auto sent_family = registry->counters({"meshd_raft_messages_sent_total", "Raft messages given to a connection", {"lane"}});
  const auto received_family = registry->counters({"meshd_raft_messages_received_total", "Raft messages of other servers", {"lane"}});
  const auto lost_family = registry->counters(
      {"meshd_raft_messages_lost_total", "Raft messages that were not sent: no connection, or a peer that is too slow", {"lane", "reason"}});
  for (const RaftLane lane : {RaftLane::Urgent, RaftLane::Bulk}) {
    const std::string_view name = enum_text(lane);
    sent[index_of(lane)] = sent_family.with({name});
    received[index_of(lane)] = received_family.with({name});
    unsent[index_of(lane)] = lost_family.with({name, "not_connected"});
    overflown[index_of(lane)] = lost_family.with({name, "queue_full"});
  }
  unknown_peer = lost_family.with({"", "unknown_peer"});
  refused = registry->counters({"meshd_raft_messages_refused_total", "Raft streams and messages of other servers that were refused", {"reason"}});
  connected = registry->gauges({"meshd_raft_peer_connected", "Whether Raft messages can be sent to this server", {"peer", "lane"}});
}

RaftLaneOptions RaftLaneOptions::of(RaftLane lane) {
  RaftLaneOptions options{.queue_messages_max = 128, .queue_bytes_max = 16u << 20, .redial = {}};
  options.redial.pause_max = kRedialPauseMax;
  if (lane == RaftLane::Bulk) return options;
  options.queue_messages_max = 512;
  options.queue_bytes_max = 1u << 20;
  options.redial.channel.keepalive_interval = kUrgentKeepalive;
  options.redial.channel.keepalive_time_max = kUrgentKeepaliveMax;
  return options;
}

RaftLaneSender::RaftLaneSender(Parts parts, Rng rng, RaftOpening opening, RaftLaneOptions options)
    : parts_(parts),
      opening_(std::move(opening)),
      options_(options),
      connected_gauge_(parts.metrics.connected.with({std::to_string(opening_.to.value()), enum_text(opening_.lane)})),
      reopen_timer_(parts.loop, [this] { open_stream(); }),
      redial_(parts.loop, parts.dialer, rng, options_.redial) {
  redial_.set_on_change([this] { on_link_change(); });
}

RaftLaneSender::~RaftLaneSender() { close_stream(); }

void RaftLaneSender::set_address(const net::Endpoint& address) { redial_.set_endpoints({address}); }

void RaftLaneSender::renew(std::string own_address) {
  opening_.address = std::move(own_address);
  redial_.renew();
}

std::string RaftLaneSender::describe() const {
  if (refusal_.empty() || stream_ != nullptr) return redial_.describe();
  return fmt::format("{}, which refused us: {}", redial_.describe(), refusal_);
}

// --- the stream

// Also when one connection has taken the place of another.
void RaftLaneSender::on_link_change() {
  close_stream();
  if (redial_.state().connected) open_stream();
}

void RaftLaneSender::open_stream() {
  reopen_timer_.stop();
  if (!redial_.state().connected || stream_ != nullptr) return;
  room_ = true;
  opened_at_ = parts_.loop.now();
  stream_ = redial_.open({kRaftPath}, encode(opening_), *this);
  connected_gauge_.set(1);
}

void RaftLaneSender::close_stream() {
  reopen_timer_.stop();
  connected_gauge_.set(0);
  if (stream_ == nullptr) return;
  stream_.reset();
  parts_.metrics.unsent[index_of(opening_.lane)].add(queue_.size());
  queue_.clear();
  queued_bytes_ = 0;
}

void RaftLaneSender::on_end(Status status) {
  const std::string why = status.ok() ? "the stream was ended" : status.error().message;
  const bool broken = !status.ok() && status.error().code == Code::Unavailable;
  close_stream();
  if (!redial_.state().connected) return;  // it breaks off with its connection
  if (parts_.loop.now() - opened_at_ > kReopenMax) reopen_pause_ = kReopenMin;  // it was believed for long
  if (why != refusal_ && !broken) {
    LOG_WARN("another server refuses our Raft messages", {"server", opening_.to}, {"lane", enum_text(opening_.lane)}, {"why", why});
    refusal_ = why;
  }
  reopen_timer_.start_after(std::exchange(reopen_pause_, std::min(reopen_pause_ * 2, kReopenMax)));
}

// --- messages

void RaftLaneSender::send(const raft::Message& message) {
  const std::size_t lane = index_of(opening_.lane);
  if (stream_ == nullptr) return parts_.metrics.unsent[lane].add();
  Bytes bytes = raft::encode_message(message);
  if (room_) return transmit(std::move(bytes));
  enqueue({std::move(bytes), message.body.index()});
}

void RaftLaneSender::enqueue(Queued message) {
  if (newest_suffices(message.kind)) {
    const auto older = std::find_if(queue_.begin(), queue_.end(), [&](const Queued& each) { return each.kind == message.kind; });
    if (older != queue_.end()) {
      queued_bytes_ += message.bytes.size();
      queued_bytes_ -= older->bytes.size();
      *older = std::move(message);
      return;
    }
  }
  const bool fits = queue_.empty() || (queue_.size() < options_.queue_messages_max &&
                                       queued_bytes_ + message.bytes.size() <= options_.queue_bytes_max);
  if (!fits) return parts_.metrics.overflown[index_of(opening_.lane)].add();
  queued_bytes_ += message.bytes.size();
  queue_.push_back(std::move(message));
}

void RaftLaneSender::transmit(Bytes bytes) {
  parts_.metrics.sent[index_of(opening_.lane)].add();
  room_ = stream_->send(net::share(std::move(bytes)));
}

void RaftLaneSender::on_writable() {
  room_ = true;
  while (room_ && !queue_.empty()) {
    Queued next = std::move(queue_.front());
    queue_.pop_front();
    queued_bytes_ -= next.bytes.size();
    transmit(std::move(next.bytes));
  }
}

}  // namespace mesh::server
