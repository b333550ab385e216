// Remote procedure calls between our own processes, and between the agent and server parts of one process: unary calls
// and streams of opaque message bytes. Callers see RpcChannel, handlers see RpcServer; transports stand behind both
// (in-process: rpc_local.h; HTTP/2: rpc_http2.h) and pass the same tests.
//
// Glossary: method = a named procedure; peer = who calls, as proven by the transport; reply = the one answer of a unary
// call; stream = a request, then messages both ways until the server ends it or the client gives up; half-close = the
// client will send no more, the server goes on.
// Thread: a channel and what it returns belong to the client's loop; a server, its handlers, replies and server streams
// belong to the server's loop. To add a method, add its constant beside the handler that serves it; to add a transport,
// implement RpcChannel and call RpcServer::dispatch with your own RpcReplySink and RpcStreamSink.
// Completions: STYLE section 6. The deadline covers the whole of a unary call; a stream has none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/function.h"
#include "base/result.h"
#include "base/time.h"
#include "net/shared_bytes.h"

namespace mesh::net {

inline constexpr std::size_t kRpcMessageBytesMax = 16 * 1024 * 1024;  // larger: Invalid, from the sender's own end
inline constexpr std::size_t kRpcCallsPendingMax = 16 * 1024;         // per channel; more: Overloaded
// Of one stream and direction. Sent and not yet consumed by the other side, or (HTTP/2) not yet taken by its window:
inline constexpr std::size_t kRpcStreamHighMarkBytes = 1024 * 1024;  // above it send() says: wait
inline constexpr std::size_t kRpcStreamLowMarkBytes = 256 * 1024;
inline constexpr std::size_t kRpcStreamQueueBytesMax = 64 * 1024 * 1024;  // ended with Overloaded

// The name of a procedure, a constant with static storage: `inline constexpr RpcMethod kApply{"/mesh.Server/Apply"};`
struct RpcMethod {
  std::string_view path;  // "/package.Service/Method", as gRPC spells it
};

struct RpcPeer {
  enum class Kind : std::uint8_t { Local, Joining, Agent, Server };
  Kind kind = Kind::Local;
  std::string id;  // node id of an agent or server; empty for Local and Joining
};

// ---- client side ----

// Destroying it cancels the call: its completion is not called, the server is told.
class RpcCall {
 public:
  virtual ~RpcCall() = default;
};

class RpcStreamObserver {
 public:
  virtual ~RpcStreamObserver() = default;
  // In the order sent; the view ends with the call.
  virtual void on_message(ByteView message) = 0;
  // What was sent has fallen to the low mark after send() had said false.
  virtual void on_writable() {}
  // Once, after the last message: ok if the server ended the stream, else why it broke.
  virtual void on_end(Status status) = 0;
};

// Destroying it cancels the stream; nothing fires afterwards. May be destroyed inside its observer's calls.
class RpcStream {
 public:
  virtual ~RpcStream() = default;
  // Never blocks; the bytes are shared, not copied, where the transport can. False: above the high mark, wait for
  // on_writable() (the message is still sent). A message that is too large (Invalid), or too many waiting (Overloaded),
  // end the stream. REQUIRES no end_sending() before it. Dropped once the stream has ended.
  virtual bool send(SharedBytes message) = 0;
  // Half-close: the server hears on_end() behind the last message. Optional.
  virtual void end_sending() = 0;
  // While paused nothing is delivered and the server's window fills, which makes its send() say false.
  virtual void pause() = 0;
  virtual void resume() = 0;
};

class RpcChannel {
 public:
  using OnReply = UniqueFunction<void(Result<Bytes>)>;

  virtual ~RpcChannel() = default;
  // on_reply: the handler's answer or error, or Timeout, Unavailable (not connected), Overloaded, Unsupported (no such
  // method), Invalid (request too large). REQUIRES a real deadline. The result must be kept until then.
  [[nodiscard]] virtual std::unique_ptr<RpcCall> call(RpcMethod method, Bytes request, MonoTime deadline,
                                                      OnReply on_reply) = 0;
  // The request is the stream's first message to the server. Messages flow at once. The observer must outlive the
  // stream.
  [[nodiscard]] virtual std::unique_ptr<RpcStream> open(RpcMethod method, Bytes request,
                                                        RpcStreamObserver& observer) = 0;
};

// ---- server side ----

struct RpcRequest {
  RpcPeer peer;
  Bytes body;
  MonoTime deadline = kNever;  // by the server's clock; streams: kNever
};

// What a transport implements for one unary call. finish() is called once; the sink may be destroyed without it only
// when the transport itself is gone.
class RpcReplySink {
 public:
  virtual ~RpcReplySink() = default;
  virtual void finish(Result<Bytes> result) = 0;
  virtual void set_on_cancelled(UniqueFunction<void()> on_cancelled) = 0;
};

// The handler's duty to answer once. Destroyed unanswered, it answers Unavailable. Answers to a caller that has gone
// are dropped.
class RpcReply {
 public:
  explicit RpcReply(std::unique_ptr<RpcReplySink> sink) : sink_(std::move(sink)) {}
  RpcReply(RpcReply&&) = default;
  RpcReply& operator=(RpcReply&&) = delete;
  ~RpcReply();

  // REQUIRES not yet answered.
  void finish(Result<Bytes> result);
  // Called at most once if the caller gives up (cancel, deadline, connection lost) before the answer. May destroy the
  // reply.
  void on_cancelled(UniqueFunction<void()> fn);
  [[nodiscard]] bool answered() const { return sink_ == nullptr; }

 private:
  std::unique_ptr<RpcReplySink> sink_;
};

// Each call may destroy the stream.
class RpcServerStreamObserver {
 public:
  virtual ~RpcServerStreamObserver() = default;
  // From the client, behind the request, in the order sent; the view ends with the call. A method that takes none
  // ignores them.
  virtual void on_message(ByteView) {}
  // The client has half-closed: no message follows. The stream goes on.
  virtual void on_end() {}
  // The client has consumed down to the low mark after send() had said false.
  virtual void on_writable() = 0;
  // The client has gone or the stream broke. Nothing follows.
  virtual void on_closed() = 0;
};

// What a transport implements for one server stream; RpcServerStream forwards to it.
class RpcStreamSink {
 public:
  virtual ~RpcStreamSink() = default;
  virtual bool send(SharedBytes message) = 0;
  virtual void end(Status status) = 0;
  virtual void set_observer(RpcServerStreamObserver* observer) = 0;
  virtual void pause() = 0;
  virtual void resume() = 0;
};

// Owned by the handler. Destroying it without end() ends the stream with Unavailable.
class RpcServerStream {
 public:
  explicit RpcServerStream(std::unique_ptr<RpcStreamSink> sink) : sink_(std::move(sink)) {}
  ~RpcServerStream();
  RpcServerStream(const RpcServerStream&) = delete;
  RpcServerStream& operator=(const RpcServerStream&) = delete;

  // The observer must outlive the stream, or be replaced by nullptr. Messages of the client wait until there is one.
  void set_observer(RpcServerStreamObserver* observer) { sink_->set_observer(observer); }
  // Never blocks; the bytes are shared, not copied, where the transport can. False: above the high mark, wait for
  // on_writable() (the message is still sent). After end() or on_closed() messages are dropped.
  bool send(SharedBytes message) { return sink_->send(std::move(message)); }
  // No send() after it. Messages sent before still arrive; those of the client are dropped from here.
  void end(Status status);
  // While paused no message is delivered and the client's window fills, which makes its send() say false.
  void pause() { sink_->pause(); }
  void resume() { sink_->resume(); }

 private:
  std::unique_ptr<RpcStreamSink> sink_;
  bool ended_ = false;
};

// The table of handlers of one process; transports dispatch into it. REQUIRES handlers are set before traffic starts.
class RpcServer {
 public:
  using UnaryHandler = UniqueFunction<void(RpcRequest, RpcReply)>;
  using StreamHandler = UniqueFunction<void(RpcRequest, std::unique_ptr<RpcServerStream>)>;

  RpcServer() = default;
  RpcServer(const RpcServer&) = delete;
  RpcServer& operator=(const RpcServer&) = delete;

  // REQUIRES the method has no handler yet.
  void handle(RpcMethod method, UnaryHandler handler);
  void handle_stream(RpcMethod method, StreamHandler handler);

  // For transports. An unknown method is answered with Unsupported.
  enum class Shape : std::uint8_t { None, Unary, Stream };
  [[nodiscard]] Shape shape(std::string_view path) const;
  void dispatch(std::string_view path, RpcRequest request, std::unique_ptr<RpcReplySink> sink);
  void dispatch_stream(std::string_view path, RpcRequest request, std::unique_ptr<RpcStreamSink> sink);

 private:
  std::map<std::string, UnaryHandler, std::less<>> unary_;
  std::map<std::string, StreamHandler, std::less<>> streams_;
};

}  // namespace mesh::net
