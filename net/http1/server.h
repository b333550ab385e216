// HTTP/1.1 server (RFC 9110, RFC 9112) over TCP and unix sockets. Everything belongs to one loop.
//
// Glossary: exchange = one request and its response; parked = an exchange whose answer comes later (a blocking query).
// A connection serves its requests one after the other; pipelined ones wait in a bounded buffer, so answers are in
// order. To add a check on incoming messages, start in parser.h; limits are in Http1Limits below.
//
// What is refused with 400 and the connection closed: see parser.h. Further: 414 (target too long), 431
// (headers too long or too many), 413 (body too large), 408 (head or body too slow), 417 (unknown Expect), 501
// (unknown transfer coding), 505 (not HTTP/1.x), 503 while stopping.
//
// Cost of a small request: one read, one writev, allocations for the request's strings and the handler's answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/function.h"
#include "base/result.h"
#include "base/time.h"
#include "net/address.h"
#include "net/http1/message.h"
#include "net/tcp.h"
#include "net/timer.h"

namespace mesh::net {

class Loop;
class Http1Connection;

struct Http1Limits {
  std::size_t target_bytes_max = 16 * 1024;
  std::size_t headers_bytes_max = 32 * 1024;  // names and values together
  std::size_t headers_count_max = 128;
  std::size_t body_bytes_max = 1024 * 1024;   // collected bodies, unless the handler says otherwise
  std::size_t pipelined_bytes_max = 64 * 1024;
  std::size_t connections_max = 1024;         // more wait in the kernel's queue
  Duration head_time_max = seconds(10);       // from the first byte of a request to the end of its headers
  Duration body_time_max = seconds(60);       // from there to the end of its body, and a second more for each
  std::size_t body_rate_min = 4096;           // so many bytes of body that have arrived; REQUIRES > 0
  Duration idle_time_max = seconds(75);       // between requests; a parked exchange is not idle
  Duration linger_time_max = seconds(2);      // reading on after an error, so that the peer sees the answer
};

// Where a streamed request body goes.
class HttpBodySink {
 public:
  virtual ~HttpBodySink() = default;
  virtual void on_body(ByteView piece) = 0;  // ends with the call
  virtual void on_body_end() = 0;            // all of it has arrived
};

// The server's end of one exchange, owned by whoever will answer. Loop thread only. It may outlive the connection and
// the server; calls then do nothing. Destroyed before it was complete: 500 if nothing was
// sent yet, else the connection is cut so that the peer notices.
class HttpExchange {
 public:
  explicit HttpExchange(Http1Connection* connection);
  ~HttpExchange();
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  // The whole answer; Content-Length is set here. HEAD, 204 and 304 send no body. REQUIRES not yet answered.
  void reply(HttpResponse response);

  // Or in pieces: start, any number of writes, end. Chunked (to HTTP/1.0: until close), or by length if known.
  // response.body goes first. REQUIRES not yet answered; write and end only between start and end.
  void start(HttpResponse response, std::optional<std::uint64_t> length = std::nullopt);
  // False: the connection's output is above its high mark; wait for on_writable (the piece is still sent).
  bool write(ByteView piece);
  void end();
  void set_on_writable(UniqueFunction<void()> fn);

  // fn is called at most once if the peer closes or breaks the connection (or it is forced by stop) before the answer
  // is complete. A parked request is dropped there; fn may destroy the exchange. A peer that only half-closed would
  // still read an answer.
  void set_on_closed(UniqueFunction<void()> fn);

  // The request body goes to the sink as it arrives (only if the handler chose Stream). The sink must outlive the
  // exchange. Pausing stops reading from the connection.
  void set_body_sink(HttpBodySink* sink);
  void pause_body();
  void resume_body();

  [[nodiscard]] bool connected() const { return connection_ != nullptr; }

 private:
  friend class Http1Connection;
  Http1Connection* connection_;  // null once the connection is gone or the answer is complete
  UniqueFunction<void()> on_writable_;
  UniqueFunction<void()> on_closed_;
  HttpBodySink* sink_ = nullptr;
};

// Who sent a request.
struct HttpPeer {
  Endpoint local;
  Endpoint remote;
  std::optional<PeerCredentials> credentials;  // unix sockets
};

class HttpHandler {
 public:
  struct BodyPlan {
    enum class How { Collect, Stream };
    How how = How::Collect;
    std::uint64_t bytes_max = 0;  // 0: the server's limit
  };

  virtual ~HttpHandler() = default;
  // Asked when the headers are complete and a body follows.
  virtual BodyPlan body_plan(const HttpRequest&) { return {}; }
  // With the body collected in request.body, or (Stream) before any of it. May answer at once or keep the exchange.
  virtual void handle(HttpRequest request, const HttpPeer& peer, std::unique_ptr<HttpExchange> exchange) = 0;
};

class Http1Server {
 public:
  // The handler must outlive the server.
  Http1Server(Loop& loop, HttpHandler& handler, const Http1Limits& limits = {});
  ~Http1Server();  // forces; REQUIRES not called by its own handler
  Http1Server(const Http1Server&) = delete;
  Http1Server& operator=(const Http1Server&) = delete;

  // May be called for several endpoints. Errors as StreamListener::listen.
  Status listen(const Endpoint& where, const ListenOptions& options = {});
  Status adopt_listener(int descriptor);
  // Where it listens, with real ports, in the order of listen().
  [[nodiscard]] std::vector<Endpoint> endpoints() const;

  // Graceful stop: listeners close, idle connections close, each running exchange may finish (with Connection: close)
  // until the deadline, then the rest is forced. on_stopped is called once, when no connection is left.
  void stop(MonoTime deadline, UniqueFunction<void()> on_stopped);

  [[nodiscard]] std::size_t connections() const { return connections_.size(); }
  [[nodiscard]] std::uint64_t requests_total() const { return requests_; }
  [[nodiscard]] std::uint64_t refused_total() const { return refused_; }  // malformed or over a limit

 private:
  friend class Http1Connection;
  void accepted(std::unique_ptr<Stream> stream);
  void removed(Http1Connection& connection);
  void adjust_listeners();
  void maybe_stopped();
  [[nodiscard]] std::string_view date();

  Loop& loop_;
  HttpHandler& handler_;
  Http1Limits limits_;
  std::vector<std::unique_ptr<StreamListener>> listeners_;
  std::list<std::unique_ptr<Http1Connection>> connections_;
  std::unique_ptr<Timer> force_;
  UniqueFunction<void()> on_stopped_;
  std::shared_ptr<Http1Server*> self_;  // null inside once the server is gone
  std::string date_;                    // of second date_second_
  std::int64_t date_second_ = -1;
  bool stopping_ = false;
  bool paused_ = false;
  std::uint64_t requests_ = 0;
  std::uint64_t refused_ = 0;
};

}  // namespace mesh::net
