// What outbound and inbound connections share: registration at their worker from the first moment, the re-check of policy,
// the relay, and one end with a reason that is counted and logged.
//
// Life: accepted -> deciding -> relaying -> finished. finish() may be called from inside any callback of a part (stream,
// timer, dial): it lets go of all parts, and the worker destroys the object after the callback. Worker loop only.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "agent/proxy/metrics.h"
#include "agent/proxy/peer.h"
#include "agent/proxy/relay.h"
#include "agent/proxy/snapshot.h"
#include "model/authorize.h"
#include "net/byte_stream.h"

namespace mesh::proxy {

class Worker;

struct EndReport {
  model::ReasonCode reason = model::ReasonCode::Connected;
  std::string text;  // for people; may be empty
  std::string rule;  // id of the intention that decided
  std::string endpoint{};  // the instance that was asked, if not the connection's own
};

class Connection {
 public:
  Connection(Worker& worker, Direction direction);
  virtual ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  virtual void start() = 0;
  // The worker's snapshot has other rules or instances: ends the connection if it is no longer allowed.
  void recheck();
  // Ends the connection if the other agent's certificate does not count any more: its node was removed, or its chain
  // leads to one of these roots (the hashes of their keys), which are not believed any more.
  void recheck_peer(std::span<const Bytes> removed_roots);
  // Resets both sides and finishes.
  void cut(EndReport report);

  [[nodiscard]] Direction direction() const { return direction_; }

 protected:
  // Lets go of everything that could call back, but the relay. The streams are reset.
  virtual void release() = 0;

  [[nodiscard]] bool finished() const { return finished_; }
  // Takes a place of the service's budget; false: Overloaded. Once.
  [[nodiscard]] bool admit(const std::string& service);
  // From here on recheck() holds the connection to policy: destination_ is the service, instance_ one of this node.
  [[nodiscard]] model::Decision decide(const std::string& instance);
  // An instance of another node is tried: policy is its node's.
  void leave_local() { instance_.clear(); }
  // The other agent's certificate was found good by this bundle, and is checked again from here on. A report: it does not
  // count any more already, or its node was removed (PeerNoLongerTrusted), and the connection must end.
  [[nodiscard]] std::optional<EndReport> take_peer(const net::TrustBundle& found_good_by, Peer peer);
  void relay(std::unique_ptr<net::ByteStream> source, std::unique_ptr<net::ByteStream> destination,
             const RelayStart& start);
  void finish(EndReport report);

  Worker& worker_;
  std::string source_;       // proven name; empty: not known yet
  std::string destination_;  // service called; empty: not known yet

 private:
  [[nodiscard]] std::optional<EndReport> peer_fault(std::span<const Bytes> removed_roots) const;
  void log_end(const EndReport& report) const;
  void log_refused(const EndReport& report) const;

  const Direction direction_;
  MonoTime accepted_at_;
  std::string instance_;  // set: decided here, on this node
  std::optional<Peer> peer_;  // none: no other agent (yet)
  bool admitted_ = false;
  bool finished_ = false;
  std::unique_ptr<Relay> relay_;
};

}  // namespace mesh::proxy
