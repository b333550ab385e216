// The channels of an agent to the servers of its mesh, one for each loop that asks, all under the node's identity as it is
// now.
//
// Thread: the agent loop; what is set reaches the channels of other loops by post. It outlives the channels' loops' threads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/proxy/snapshot.h"
#include "agent/server_channel.h"
#include "base/result.h"
#include "base/rng.h"
#include "net/loop.h"

namespace mesh::daemon {

class ServerLinks {
 public:
  ServerLinks(net::HandshakePool& pool, Rng rng, agent::ServerChannelOptions options)
      : pool_(pool), rng_(std::move(rng)), options_(std::move(options)) {}
  ServerLinks(const ServerLinks&) = delete;
  ServerLinks& operator=(const ServerLinks&) = delete;

  // REQUIRES loop's thread is this one, or does not run.
  [[nodiscard]] std::unique_ptr<net::RpcChannel> connect(net::Loop& loop);

  // ADDRESS:PORT each. Errors: Invalid, one that is none.
  Status set_servers(const std::vector<std::string>& servers);
  void set_identities(const proxy::Identities& identities);
  // How the connection of this loop's channel is, in a line. REQUIRES loop's thread.
  [[nodiscard]] std::string describe(const net::Loop& loop) const;

 private:
  struct Link {
    net::Loop* loop;
    agent::ServerChannel* channel;
  };
  // Runs change(channel) on each channel's loop.
  template <class Change>
  void each(Change change);

  net::HandshakePool& pool_;
  Rng rng_;
  agent::ServerChannelOptions options_;
  std::vector<Link> links_;
};

}  // namespace mesh::daemon
