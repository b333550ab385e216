// An RPC channel that keeps one connection to one of several servers: dials, moves to the next server when a connection
// fails or its server goes away, pauses with back-off and jitter after each round of failures, and tells how it is.
// The agent's way to the servers (agent/server_channel.h) and a server's to its peers.
//
// Thread: its loop. While not connected, calls and streams fail at once (on the next turn) with Unavailable and the
// reason; callers that want to wait try again, as agent/server_client.h does.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/function.h"
#include "base/result.h"
#include "base/rng.h"
#include "base/time.h"
#include "net/address.h"
#include "net/rpc_dial.h"
#include "net/rpc_http2.h"

namespace mesh::net {

class Loop;

struct RpcRedialOptions {
  Duration connect_time_max = seconds(3);    // TCP and TLS together
  Duration pause_min = milliseconds(100);    // after a round of failures; doubles up to the maximum
  Duration pause_max = seconds(5);
  Duration stable_time = seconds(10);        // a connection that held for less counts as a failure
  Duration drain_time_max = seconds(60);     // for what still runs on a connection that is being replaced
  std::size_t draining_max = 4;              // such connections; more: the oldest is closed
  RpcHttp2ChannelOptions channel = {};
};

struct RpcLinkState {
  bool connected = false;
  Endpoint server{};            // connected to, else tried last
  MonoTime since{};             // connected or disconnected since
  std::string reason{};         // why not connected; empty when connected
  std::uint64_t failures = 0;   // attempts since it was last connected
  MonoTime next_attempt = kNever;  // not connected and waiting
};

class RpcRedialChannel final : public RpcChannel {
 public:
  // The dialer must outlive it. Nothing is dialled before set_endpoints().
  RpcRedialChannel(Loop& loop, RpcDialer& dialer, Rng rng, const RpcRedialOptions& options);
  // As ~RpcHttp2Channel: what is open ends with Unavailable.
  ~RpcRedialChannel() override;

  [[nodiscard]] std::unique_ptr<RpcCall> call(RpcMethod method, Bytes request, MonoTime deadline,
                                              OnReply on_reply) override;
  [[nodiscard]] std::unique_ptr<RpcStream> open(RpcMethod method, Bytes request, RpcStreamObserver& observer) override;

  // Replaces the list (tried in random order). A connection to a server that is not in it is replaced and drained. Where
  // servers are added, one to a server that stays moves to an added one with the chance that spreads all channels evenly.
  void set_endpoints(std::vector<Endpoint> endpoints);
  // A new connection for new calls (the identity has changed); the running one carries calls until the new one stands,
  // then drains.
  void renew();

  [[nodiscard]] const RpcLinkState& state() const;
  // One line for people: "connected to 10.0.0.11:8300", or why not and when it is tried again.
  [[nodiscard]] std::string describe() const;
  // Called after each change of `connected`, from the loop; may use the channel, not destroy it.
  void set_on_change(UniqueFunction<void()> fn);

  struct Core;  // for rpc_redial.cc

 private:
  std::unique_ptr<Core> core_;
};

}  // namespace mesh::net
