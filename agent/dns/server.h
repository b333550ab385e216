// DNS over UDP and TCP (RFC 1035, RFC 7766): sockets around answer(), and the forwarder for what it does not answer.
//
// Everything belongs to one loop (that of API and DNS). Zone and settings are immutable versions that the owner
// replaces; each packet is answered from the versions of that moment.
//
// Cost of a UDP question: the receive (batched), one answer into a buffer that is reused, one send. TCP: connections
// are read into a buffer of at most one query, answered in the order in which answers are ready (RFC 7766 section 7).
// Limits: the constants below, and docs/limits.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "agent/dns/answer.h"
#include "agent/dns/forwarder.h"
#include "agent/dns/settings.h"
#include "agent/dns/zone.h"
#include "base/bytes.h"
#include "base/fd.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/rng.h"
#include "base/time.h"
#include "net/address.h"

namespace mesh::net {
class Loop;
class Stream;
class StreamListener;
class UdpSocket;
}  // namespace mesh::net

namespace mesh::dns {

inline constexpr std::size_t kTcpConnectionsMax = 256;       // more wait in the kernel's queue
inline constexpr std::size_t kTcpQueryBytesMax = 4096;       // a longer one ends the connection
inline constexpr std::size_t kTcpForwardsMax = 32;           // per connection; then it is not read
inline constexpr Duration kTcpIdleMax = seconds(10);         // without a complete query

class TcpSession;

struct ServerOptions {
  std::uint64_t seed = 0;            // unpredictable to others (order of answers, ids of forwarded questions)
  MetricRegistry* metrics = nullptr; // outlives the server
};

class Server {
 public:
  // Answers by `settings`, without recursors until configure().
  Server(net::Loop& loop, const Settings& settings, const ServerOptions& options);
  ~Server();  // closes all at once
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // UDP and TCP on one address; may be called for several. Port 0 takes one that is free for both. Errors as of
  // net::StreamListener::listen; nothing stays open then.
  Status listen(const net::Address& where);
  // Where it listens, with real ports, in the order of listen().
  [[nodiscard]] std::vector<net::Address> addresses() const;

  // Sockets of their own for what meshd-steer steers here, which was sent to another address (docs/formats/steer.md); owned
  // by the server. Answers over UDP leave once answer_steered_through() has been called. REQUIRES called once.
  struct SteeredSockets {
    int udp = -1;
    int tcp = -1;
  };
  Result<SteeredSockets> listen_steered();
  void answer_steered_through(UniqueFd raw);

  void set_zone(std::shared_ptr<const Zone> zone) { zone_ = std::move(zone); }
  // `settings.recursion` is replaced by whether there are recursors. A recursor at an address of this server is refused
  // with Invalid, nothing changes then; so call it after listen(). Questions in flight at the old recursors are dropped.
  Status configure(const Settings& settings, const ForwarderOptions& forwarder);

  // Listeners close; connections and forwarded questions end at their own limits or with this object.
  void stop_listening();

  [[nodiscard]] std::size_t tcp_connections() const { return sessions_.size(); }

 private:
  friend class TcpSession;
  struct Listener {
    std::unique_ptr<net::UdpSocket> udp;
    std::unique_ptr<net::StreamListener> tcp;
  };
  struct Counters {
    Counter udp_queries;
    Counter tcp_queries;
    Counter silent;
    Counter truncated;
    std::array<Counter, 17> replies;  // by rcode, BADVERS last
    CounterFamily notes;
    Gauge connections;
  };

  Status listen_once(const net::Address& where);
  void on_datagram(std::size_t listener, const net::Address& from, ByteView packet);
  void on_accept(std::unique_ptr<net::Stream> stream);
  void remove(TcpSession* session);
  // The answer in reply_ (Step::Reply), or the step to take.
  Step answer_packet(ByteView packet, Client client);
  // on_reply gets bytes in any case: a failure to ask becomes SERVFAIL.
  void forward(ByteView packet, bool over_tcp, UniqueFunction<void(Bytes)> on_reply);
  void count(const Outcome& outcome);
  [[nodiscard]] bool is_ours(const net::Address& address) const;

  net::Loop& loop_;
  std::shared_ptr<const Settings> settings_;
  std::shared_ptr<const Zone> zone_;
  Rng rng_;
  MetricRegistry* metrics_;
  Counters counters_;
  Bytes reply_;
  std::vector<Listener> listeners_;
  std::optional<std::size_t> steered_;  // which of them
  std::map<TcpSession*, std::unique_ptr<TcpSession>> sessions_;
  std::unique_ptr<Forwarder> forwarder_;
};

}  // namespace mesh::dns
