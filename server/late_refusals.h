// LateRefusals: answers of guesses at a secret, held back for a moment, so that each guess costs its caller time. Right
// secrets are answered at once and never wait behind wrong ones.
//
// Thread: one loop. Limit: kRefusalsWaitingMax; a refusal over it goes out at once as Overloaded, which says nothing of the
// secret. A caller that gives up leaves its place. Destroying this answers nobody (the replies say Unavailable).
#pragma once

#include <cstdint>
#include <list>
#include <memory>

#include "base/result.h"
#include "base/time.h"
#include "net/loop.h"
#include "net/rpc.h"
#include "net/timer.h"

namespace mesh::server {

class LateRefusals {
 public:
  static constexpr Duration kRefusalDelay = seconds(1);
  static constexpr std::size_t kRefusalsWaitingMax = 256;

  LateRefusals(net::Loop& loop, Duration delay);
  ~LateRefusals();
  LateRefusals(const LateRefusals&) = delete;
  LateRefusals& operator=(const LateRefusals&) = delete;

  void refuse(net::RpcReply reply, Error why);

  [[nodiscard]] std::uint64_t refused_total() const { return refused_total_; }
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

 private:
  struct Waiting;

  void on_timer();

  net::Loop& loop_;
  Duration delay_;
  net::Timer timer_;
  std::list<std::unique_ptr<Waiting>> waiting_;  // in order of their time
  std::uint64_t refused_total_ = 0;
};

}  // namespace mesh::server
