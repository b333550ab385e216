// Asks recursors about names that are not ours, and relays what they say.
//
// One question in flight has one socket of its own (a port of the kernel's choice) and a random id; an answer counts
// only if it comes from the recursor asked, with that id and that question (RFC 5452). Recursors are tried in order,
// each for `attempt_time`; one that answers SERVFAIL or REFUSED is passed over while another is left. For a client that
// came over TCP a truncated answer is asked for again over TCP; a UDP client gets it as it is and comes back itself.
//
// Loops: a packet equal to one in flight (but for its id) is not sent again, it waits for the same answer. A question
// that comes back to us over any number of hops so costs a bounded number of packets and ends by the time limit; it is
// then counted and reported as a likely loop. Recursors that are ourselves are refused at the start.
//
// Everything belongs to one loop. Limits: the constants below; beyond them ask() says Overloaded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/dns/message.h"
#include "base/bytes.h"
#include "base/function.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/rng.h"
#include "base/time.h"
#include "net/address.h"

namespace mesh::net {
class Loop;
}

namespace mesh::dns {

inline constexpr std::size_t kForwardsInFlightMax = 256;   // different questions
inline constexpr std::size_t kForwardWaitersMax = 64;      // clients that wait for the same one
inline constexpr Duration kForwardTimeMax = seconds(8);    // no further recursor is tried after this
inline constexpr std::size_t kRecursorsMax = 8;            // more are ignored, with a warning

struct ForwarderOptions {
  std::vector<net::Address> recursors;  // REQUIRES at least one
  Duration attempt_time{seconds(2)};
};

class Relay;

class Forwarder {
 public:
  // `seed` must be unpredictable to others: ids are drawn from it. The registry, if any, outlives this object.
  Forwarder(net::Loop& loop, ForwarderOptions options, std::uint64_t seed, MetricRegistry* metrics);
  ~Forwarder();  // waiting completions are dropped, not called
  Forwarder(const Forwarder&) = delete;
  Forwarder& operator=(const Forwarder&) = delete;

  // The reply, with the id of `query`; or Timeout, Unavailable, Overloaded. Never from inside ask().
  using OnReply = UniqueFunction<void(Result<Bytes>)>;
  // REQUIRES `query` was parsed without fault. `over_tcp`: how the client asked.
  void ask(ByteView query, bool over_tcp, OnReply on_reply);

  [[nodiscard]] std::size_t in_flight() const { return relays_.size(); }

 private:
  friend class Relay;
  struct Waiter {
    std::uint16_t id;
    OnReply on_reply;
  };
  struct Pending {
    std::unique_ptr<Relay> relay;
    std::vector<Waiter> waiters;
  };
  void refuse(OnReply on_reply, std::string_view why);
  void start(const std::string& key, ByteView query, bool over_tcp);
  void finished(const std::string& key, Result<Bytes> reply);

  net::Loop& loop_;
  ForwarderOptions options_;
  Rng rng_;
  std::map<std::string, Pending> relays_;  // by packet without its id, and transport
  std::shared_ptr<Forwarder*> self_;  // for what was deferred and may outlive this object
  CounterFamily failures_;
  Counter asked_;
  Counter shared_;
  Counter loops_;
  Histogram time_;
};

// Whether `reply` answers `query` under the id `id`: the same question (case of letters apart), a response, the id.
// A format error may come without the question.
[[nodiscard]] bool is_reply_to(ByteView reply, std::uint16_t id, const Question& question);

}  // namespace mesh::dns
