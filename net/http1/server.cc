#include "net/http1/server.h"

#include "base/clock.h"
#include "net/http1/connection.h"
#include "net/loop.h"

namespace mesh::net {

// ---- the exchange ----

HttpExchange::HttpExchange(Http1Connection* connection) : connection_(connection) {}

HttpExchange::~HttpExchange() {
  if (connection_ == nullptr) return;
  Http1Connection* const connection = std::exchange(connection_, nullptr);
  connection->exchange_ = nullptr;
  connection->abandoned();
}

void HttpExchange::reply(HttpResponse response) {
  if (connection_ != nullptr) connection_->reply(std::move(response));
}

void HttpExchange::start(HttpResponse response, std::optional<std::uint64_t> length) {
  if (connection_ != nullptr) connection_->start_answer(std::move(response), length);
}

bool HttpExchange::write(ByteView piece) { return connection_ == nullptr || connection_->write_piece(piece); }

void HttpExchange::end() {
  if (connection_ != nullptr) connection_->end_answer();
}

void HttpExchange::set_on_writable(UniqueFunction<void()> fn) { on_writable_ = std::move(fn); }
void HttpExchange::set_on_closed(UniqueFunction<void()> fn) {
  on_closed_ = std::move(fn);
  if (connection_ != nullptr) connection_->closed_is_watched();
}
void HttpExchange::set_body_sink(HttpBodySink* sink) { sink_ = sink; }

void HttpExchange::pause_body() {
  if (connection_ != nullptr) connection_->set_body_paused(true);
}

void HttpExchange::resume_body() {
  if (connection_ != nullptr) connection_->set_body_paused(false);
}

// ---- the server ----

Http1Server::Http1Server(Loop& loop, HttpHandler& handler, const Http1Limits& limits)
    : loop_(loop), handler_(handler), limits_(limits), self_(std::make_shared<Http1Server*>(this)) {}

Http1Server::~Http1Server() {
  *self_ = nullptr;
  listeners_.clear();
  // Owners of exchanges hear of the end one by one; they may destroy what they like but the server.
  while (!connections_.empty()) {
    const auto connection = std::move(connections_.front());
    connections_.pop_front();
    connection->cut();
  }
}

Status Http1Server::listen(const Endpoint& where, const ListenOptions& options) {
  MESH_TRY(listener, StreamListener::listen(loop_, where, options,
                                            [this](std::unique_ptr<Stream> stream) { accepted(std::move(stream)); }));
  listeners_.push_back(std::move(listener));
  return {};
}

Status Http1Server::adopt_listener(int descriptor) {
  MESH_TRY(listener, StreamListener::adopt(loop_, descriptor,
                                           [this](std::unique_ptr<Stream> stream) { accepted(std::move(stream)); }));
  listeners_.push_back(std::move(listener));
  return {};
}

std::vector<Endpoint> Http1Server::endpoints() const {
  std::vector<Endpoint> endpoints;
  for (const auto& listener : listeners_) endpoints.push_back(listener->local());
  return endpoints;
}

void Http1Server::accepted(std::unique_ptr<Stream> stream) {
  connections_.push_front(std::make_unique<Http1Connection>(*this, std::move(stream)));
  connections_.front()->position = connections_.begin();
  connections_.front()->start();
  adjust_listeners();
}

void Http1Server::adjust_listeners() {
  const bool full = connections_.size() >= limits_.connections_max;
  if (full == paused_) return;
  paused_ = full;
  for (const auto& listener : listeners_) full ? listener->pause() : listener->resume();
}

// The connection's own method is on the stack.
void Http1Server::removed(Http1Connection& connection) {
  auto owned = std::move(*connection.position);
  connections_.erase(connection.position);
  loop_.destroy_later(std::move(owned));
  adjust_listeners();
  maybe_stopped();
}

void Http1Server::stop(MonoTime deadline, UniqueFunction<void()> on_stopped) {
  CHECK(!stopping_, "a server stops once");
  stopping_ = true;
  on_stopped_ = std::move(on_stopped);
  listeners_.clear();
  for (auto next = connections_.begin(); next != connections_.end();) {
    Http1Connection& connection = **next++;  // it may leave the list
    connection.finish_and_close();
  }
  force_ = std::make_unique<Timer>(loop_, [this] {
    while (!connections_.empty()) {
      const auto connection = std::move(connections_.front());
      connections_.pop_front();
      connection->cut();
    }
    maybe_stopped();
  });
  force_->start_at(deadline);
  maybe_stopped();
}

void Http1Server::maybe_stopped() {
  if (!stopping_ || !connections_.empty() || !on_stopped_) return;
  if (force_) force_->stop();
  loop_.defer([self = self_, fn = std::exchange(on_stopped_, nullptr)]() mutable {
    if (*self != nullptr) fn();
  });
}

std::string_view Http1Server::date() {
  const WallTime now = wall_now();
  const std::int64_t second = duration_cast<seconds>(now.time_since_epoch()).count();
  if (second != date_second_) {
    date_second_ = second;
    date_ = http_date(now);
  }
  return date_;
}

}  // namespace mesh::net
