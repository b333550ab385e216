// KvReads: answers reads of the key-value store, and holds the blocking ones until what they ask for changes.
// A write wakes exactly the reads of that key or of a prefix of it.
//
// Thread: the raft loop. The reply of a caller that gives up is dropped. Limit: kWaitingMax blocking reads;
// more are refused with Overloaded. A wait is at most kWaitMax. An answer above net::kRpcMessageBytesMax is refused with
// Invalid before anything of it is copied.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "base/time.h"
#include "model/protocol.h"
#include "net/loop.h"
#include "net/rpc.h"
#include "net/timer.h"
#include "server/state.h"

namespace mesh::server {

class KvReads {
 public:
  static constexpr std::size_t kWaitingMax = 16 * 1024;
  static constexpr Duration kWaitMax = minutes(10);

  // Fills in what an answer says about its freshness.
  using Freshness = std::function<void(model::KvReadResponse&)>;

  KvReads(net::Loop& loop, std::function<const State&()> state, Freshness freshness);
  ~KvReads();
  KvReads(const KvReads&) = delete;
  KvReads& operator=(const KvReads&) = delete;

  // The state is fresh enough for the caller now.
  void read(model::KvReadRequest request, net::RpcReply reply);
  void on_changes(const model::ChangeSet& changes);
  void on_loaded();

  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

 private:
  class Waiting;
  using Place = std::list<std::unique_ptr<Waiting>>::iterator;

  [[nodiscard]] Result<model::KvReadResponse> answer(const model::KvReadRequest& request) const;
  void park(model::KvReadRequest request, net::RpcReply reply);
  void finish(Waiting& waiting);
  void remove(Waiting& waiting);

  net::Loop& loop_;
  std::function<const State&()> state_;
  Freshness freshness_;
  std::list<std::unique_ptr<Waiting>> waiting_;
  std::multimap<Bytes, Waiting*, std::less<>> by_key_;  // waits for one key; the others are in prefixes_
  std::list<Waiting*> prefixes_;
};

}  // namespace mesh::server
