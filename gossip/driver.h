// A gossip core on real sockets: UDP and TCP on one port of a loop, sealed with AES-GCM.
//
//   auto driver = Driver::start(loop, options, metrics, observer);      driver->join(seeds);
//
// Thread: the loop's (the agent loop). The observer hears of members from the loop, never from inside a call to the driver,
// and may destroy the driver. Destroying it says no good-bye: the others will see this member fail.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "gossip/core.h"
#include "gossip/driver_streams.h"
#include "net/address.h"
#include "net/tcp.h"
#include "net/timer.h"
#include "net/udp.h"

namespace mesh::gossip {

struct DriverOptions {
  CoreOptions core{};
  NodeId id;
  Attributes attributes{};
  Uuid cluster;
  std::string datacenter;
  std::vector<Bytes> keys;                  // 16 or 32 bytes each; the first is the primary one
  net::Address bind;                        // port 0: any one that is free for UDP and TCP
  std::optional<net::Address> advertise{};  // where others reach us; default: what was bound. Port 0: the bound one
};

class DriverObserver {
 public:
  virtual ~DriverObserver() = default;
  virtual void on_member(const MemberEvent& event) = 0;
  virtual void on_left() {}  // leave() is done: the driver may be destroyed
};

// Of addresses, both ways. Unix paths have none.
[[nodiscard]] PeerAddress to_peer(const net::Address& address);
[[nodiscard]] net::Address from_peer(const PeerAddress& address);  // REQUIRES a valid one

class Driver final : private StreamUser {
 public:
  // Errors: Invalid (no key, a key of a wrong length, attributes over kAttributesBytesMax, options, an advertised address
  // that is none), and those of StreamListener::listen. The registry and the observer outlive the driver.
  static Result<std::unique_ptr<Driver>> start(net::Loop& loop, DriverOptions options, MetricRegistry& metrics,
                                               DriverObserver& observer);
  ~Driver() override;
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  void join(const std::vector<net::Address>& seeds);
  void leave();
  void suspect_now(const NodeId& id);
  Status set_attributes(const Attributes& attributes);  // Invalid: too large

  // Errors as Keyring's, and Invalid for a key of a wrong length. Effective at once, here only.
  Status install_key(ByteView key);
  Status use_key(KeyId id);
  Status remove_key(KeyId id);
  [[nodiscard]] std::vector<KeyId> key_ids() const { return core_->seal()->keys().ids(); }
  [[nodiscard]] KeyId primary_key() const { return core_->seal()->keys().primary(); }

  [[nodiscard]] const net::Address& local() const { return udp_->local(); }
  [[nodiscard]] MemberView self() const { return core_->self(); }
  [[nodiscard]] std::vector<MemberView> members() const { return core_->members(); }
  [[nodiscard]] std::optional<MemberView> find(const NodeId& id) const { return core_->find(id); }
  [[nodiscard]] Counts counts() const { return core_->counts(); }

 private:
  struct Metrics;
  Driver(net::Loop& loop, DriverOptions options, MetricRegistry& metrics, DriverObserver& observer);
  Status open_sockets();
  Status bind_both(std::uint16_t port);
  void start_core(Keyring keys);
  void happen(Event event) { (void)step(std::move(event)); }
  std::optional<Bytes> step(Event event);
  void report(std::vector<MemberEvent> events, bool left);
  void replace_keys(Keyring keys);

  [[nodiscard]] std::shared_ptr<const Seal> stream_seal() const override { return core_->seal(); }
  [[nodiscard]] std::optional<Bytes> answer(StreamQuestion question) override { return step(std::move(question)); }
  void stream_ended(Event event) override { happen(std::move(event)); }

  net::Loop& loop_;
  DriverOptions options_;
  DriverObserver& observer_;
  std::unique_ptr<Metrics> metrics_;
  std::shared_ptr<Driver*> self_;  // null inside once the driver is gone
  DriverStreams streams_;
  net::Timer timer_;
  std::unique_ptr<net::StreamListener> tcp_;
  std::unique_ptr<net::UdpSocket> udp_;
  std::unique_ptr<Core> core_;
};

}  // namespace mesh::gossip
