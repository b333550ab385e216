// OwnRow: a server whose RPC address is another one than its row says (the configuration was changed) tells it to the
// cluster, as a command that only itself may give.
//
// Thread: the raft loop. It looks every kLookEvery. Ownership: loop and RpcServer outlive it, and so does what `state` reads.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/rng.h"
#include "net/loop.h"
#include "net/rpc.h"
#include "net/timer.h"
#include "server/identity.h"
#include "server/state.h"

namespace mesh::server {

class OwnRow {
 public:
  static constexpr Duration kLookEvery = seconds(1);
  static constexpr Duration kTellTimeout = seconds(5);

  struct Parts {
    net::Loop& loop;
    net::RpcServer& rpc;  // its Apply reaches the leader
    std::function<const State&()> state;
  };
  // address: ADDRESS:PORT, as others reach this server. seed: of request ids.
  OwnRow(Parts parts, const ServerIdentity& identity, std::string address, std::uint64_t seed);
  OwnRow(const OwnRow&) = delete;
  OwnRow& operator=(const OwnRow&) = delete;

 private:
  class Sink;

  void look();
  void tell();

  Parts parts_;
  ServerIdentity identity_;
  std::string address_;
  Rng rng_;
  bool under_way_ = false;
  std::shared_ptr<char> alive_ = std::make_shared<char>();
  net::Timer timer_;
};

}  // namespace mesh::server
