// The RPC transport between processes: gRPC framing over HTTP/2 (docs/formats/rpc.md) over any ByteStream, in the
// product TLS. The client's end of one connection is a RpcHttp2Channel; the server's ends are made by a
// RpcHttp2Listener. A channel that connects by itself, and again, is rpc_redial.h.
//
// Thread: all on one loop, that of the ByteStream. Differences to the contract of rpc.h: none; the window of a stream
// (kRpcStreamWindowBytes) is on its way besides what waits at the sender.
// Dead peers: a connection on which nothing arrives is asked by a ping and given up (Http2Options::keepalive_*), so
// that its calls end with Unavailable within seconds.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/function.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"
#include "net/address.h"
#include "net/byte_stream.h"
#include "net/http2/session.h"
#include "net/rpc.h"

namespace mesh::net {

class Loop;

inline constexpr std::uint32_t kRpcStreamWindowBytes = 512 * 1024;
inline constexpr std::size_t kRpcErrorTextBytesMax = 4096;                // a longer message is cut on its way
inline constexpr std::size_t kRpcUnfinishedBytesMax = 64 * 1024 * 1024;   // of half-received messages, one connection

struct RpcHttp2ChannelOptions {
  std::string authority = "mesh";
  Duration keepalive_interval = seconds(2);
  Duration keepalive_time_max = seconds(3);
  MetricRegistry* metrics = nullptr;  // meshd_rpc_client_*; outlives the channel
};

class RpcHttp2Channel final : public RpcChannel {
 public:
  // stream: connected. on_closed is called once, after the open calls and streams have ended, unless the channel is
  // destroyed before; it may destroy the channel.
  RpcHttp2Channel(std::unique_ptr<ByteStream> stream, const RpcHttp2ChannelOptions& options,
                  UniqueFunction<void(const Status&)> on_closed);
  // Closes the connection; open calls and streams end with Unavailable on the loop's next turn. They may outlive it.
  ~RpcHttp2Channel() override;

  [[nodiscard]] std::unique_ptr<RpcCall> call(RpcMethod method, Bytes request, MonoTime deadline,
                                              OnReply on_reply) override;
  [[nodiscard]] std::unique_ptr<RpcStream> open(RpcMethod method, Bytes request, RpcStreamObserver& observer) override;

  // False: closed, or the server is going away; new calls fail with Unavailable.
  [[nodiscard]] bool accepting() const;
  // fn is called at most once, when the server says that it takes no new calls; open ones go on.
  void set_on_going_away(UniqueFunction<void()> fn);
  // No new calls; on_closed follows when the last has ended, forced at the deadline.
  void shut_down(MonoTime deadline);
  [[nodiscard]] std::size_t open_calls() const;  // and streams

  struct Core;  // for rpc_http2_channel.cc

 private:
  std::shared_ptr<Core> core_;
};

struct RpcHttp2ListenerOptions {
  std::size_t connections_max = 20'000;        // more are closed at once
  std::size_t joining_max = 64;                // of them without a certificate
  std::size_t joining_per_address_max = 16;  // of these from one address
  Duration joining_time_max = seconds(15);
  Duration keepalive_interval = seconds(5);
  Duration keepalive_time_max = seconds(5);
  MetricRegistry* metrics = nullptr;  // meshd_rpc_server_*; outlives the listener
};

// The server's end of many connections. Belongs to the loop of `server`'s handlers.
class RpcHttp2Listener {
 public:
  // `server` must outlive it.
  RpcHttp2Listener(Loop& loop, RpcServer& server, const RpcHttp2ListenerOptions& options);
  // Closes every connection; handlers hear that their callers are gone.
  ~RpcHttp2Listener();
  RpcHttp2Listener(const RpcHttp2Listener&) = delete;
  RpcHttp2Listener& operator=(const RpcHttp2Listener&) = delete;

  // Serves a connection made elsewhere, whose peer is proven already. Dropped when there are too many.
  void adopt(std::unique_ptr<ByteStream> stream, RpcPeer peer);

  // No new connections and calls; each connection goes when its last call has ended, forced at the deadline.
  // on_stopped is called once, when none is left.
  void stop(MonoTime deadline, UniqueFunction<void()> on_stopped);

  [[nodiscard]] std::size_t connections() const;

  struct Core;  // for rpc_http2_listener.cc

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace mesh::net
