// HTTP/1.1 client for health checks, meshctl and exporters: deadlines, kept-alive connections, bounded answers, TCP and
// unix sockets. Everything belongs to one loop.
#pragma once

#include <cstddef>
#include <list>
#include <memory>

#include "base/function.h"
#include "base/result.h"
#include "base/time.h"
#include "net/address.h"
#include "net/http1/message.h"

namespace mesh::net {

class Loop;

struct HttpCallOptions {
  Endpoint to{};
  std::string host{};                              // the Host header; empty: made from `to`
  MonoTime deadline = kNever;                      // over everything; REQUIRES a real time
  std::size_t headers_bytes_max = 64 * 1024;
  std::size_t body_bytes_max = 16 * 1024 * 1024;   // larger answers: Overloaded
  bool keep_alive = true;                          // false: one connection for this call
  // If set, the body goes here piece by piece (body_bytes_max then bounds nothing, response.body stays empty).
  UniqueFunction<void(ByteView)> on_body{};
};

class Http1Client;

// One request. Destroying it cancels and closes its connection.
class HttpCall {
 public:
  using OnDone = UniqueFunction<void(Result<HttpResponse>)>;
  ~HttpCall();
  HttpCall(const HttpCall&) = delete;
  HttpCall& operator=(const HttpCall&) = delete;

 private:
  friend class Http1Client;
  struct Operation;
  explicit HttpCall(std::shared_ptr<Operation> operation);
  std::shared_ptr<Operation> operation_;
};

class Http1Client {
 public:
  static constexpr std::size_t kIdlePerEndpointMax = 4;
  static constexpr std::size_t kIdleMax = 64;
  static constexpr Duration kIdleTimeMax = seconds(30);

  explicit Http1Client(Loop& loop);
  ~Http1Client();  // REQUIRES its calls are destroyed first
  Http1Client(const Http1Client&) = delete;
  Http1Client& operator=(const Http1Client&) = delete;

  // on_done: the answer (any status), or Unavailable (not connected, closed early), Timeout, Overloaded (answer too
  // large), Corrupt (not HTTP). A kept connection that turns out closed before any byte of the answer is replaced once
  // for idempotent methods. Headers given as framing (Content-Length, Transfer-Encoding, Connection) are ours.
  [[nodiscard]] std::unique_ptr<HttpCall> send(HttpRequest request, HttpCallOptions options, HttpCall::OnDone on_done);

  [[nodiscard]] std::size_t idle_connections() const;

 private:
  friend class HttpCall;
  struct Pool;
  Loop& loop_;
  std::unique_ptr<Pool> pool_;
};

}  // namespace mesh::net
