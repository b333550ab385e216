// Keeps this node's certificate and one for each service that runs here: asks the servers for them, renews them in time
// (renewal.h), keeps them on disk (node_files.h), follows the trusted roots, and publishes all of it as one immutable value.
//
//   service appears -> its file is read -> no certificate there, and the catalog shows the service here: make a key and a
//   request (disk thread) -> Sign (server) -> checked and written (disk thread) -> published
//
// A service's key is new with every certificate, the node's is the one it joined with. While no server answers, everything
// goes on from what is there, and from the disk after a restart. Services whose name is no mesh name get no certificate.
//
// Thread: the agent loop; on_change is called from the loop, never from inside a call to the keeper, and may not destroy
// it. Ownership: loop, channel, disk and registry must outlive it; destroying it cancels everything but files being
// written.
//
// Limits: kServiceIdentitiesMax services; more get none (one warning). RenewalPlan bounds what is asked for at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/doctor/facts.h"
#include "agent/identity/node_files.h"
#include "agent/identity/renewal.h"
#include "agent/proxy/snapshot.h"
#include "agent/server_client.h"
#include "agent/view.h"
#include "base/function.h"
#include "base/metrics.h"
#include "base/rng.h"
#include "model/protocol.h"
#include "net/timer.h"

namespace mesh::net {
class BlockingWorker;
class Loop;
}  // namespace mesh::net

namespace mesh::agent {

inline constexpr std::size_t kServiceIdentitiesMax = 1024;
inline constexpr Duration kSignTimeout = seconds(10);

// A new certificate for the node by the Join call (join.h). Blocks.
[[nodiscard]] Result<std::shared_ptr<const net::TlsIdentity>> renew_by_join(const NodeFiles& files);

using IdentitiesPtr = std::shared_ptr<const proxy::Identities>;

class CertificateKeeper {
 public:
  using Loaded = Result<std::shared_ptr<const net::TlsIdentity>>;

  struct Options {
    NodeFiles files;
    NodeIdentity node;  // NodeFiles::read()
    UniqueFunction<void(IdentitiesPtr)> on_change;
    // The servers have told other addresses than before (they are in node.json already).
    UniqueFunction<void(const std::vector<std::string>&)> on_servers;
    // On the disk thread, when the node's certificate has expired and the channel is of no use.
    std::function<Loaded(const NodeFiles&)> renew = renew_by_join;
    // The channel leads to a server in this process, which asks for no certificate: it is tried first also with an expired
    // one, and `renew` in turn with it. Were there no other server, nobody could serve a Join call.
    bool own_server = false;
  };

  CertificateKeeper(net::Loop& loop, net::RpcChannel& channel, net::BlockingWorker& disk, MetricRegistry& metrics, Rng rng,
                    Options options);
  ~CertificateKeeper();
  CertificateKeeper(const CertificateKeeper&) = delete;
  CertificateKeeper& operator=(const CertificateKeeper&) = delete;

  // With each new view of the agent.
  void update(const AgentView& view);

  // Never null; before the first update with the node's certificate and the roots of the disk.
  [[nodiscard]] const IdentitiesPtr& identities() const { return published_; }
  // Of the node, then of each service, with what hinders its renewal.
  [[nodiscard]] std::vector<CertificateFact> certificates() const;
  // ADDRESS:PORT each, as last told.
  [[nodiscard]] const std::vector<std::string>& servers() const { return options_.node.record.servers; }

 private:
  class Order;
  struct Entry {
    std::uint64_t mark = 0;  // of the job under way for it; answers with another mark are late
    std::shared_ptr<const net::TlsIdentity> identity{};
    std::string failure{};  // of the last request, if that failed
  };

  void take_services(const AgentView& view);
  void take_placement(const AgentView& view);
  void take_roots(const AgentView& view);
  void take_server_rows(const AgentView& view);
  void add(const std::string& service);
  void drop(const std::string& service);
  void on_loaded(const std::string& service, std::uint64_t mark, Loaded loaded);
  void drop_stray_files(std::set<std::string> keep);

  void on_timer();
  void order(const std::string& subject);
  void on_ordered(const std::string& subject, Loaded result, const model::SignResponse& response);
  void take_servers(const std::vector<std::string>& servers);
  void hold(const std::string& subject, std::shared_ptr<const net::TlsIdentity> identity);
  void changed();
  void arm();
  void publish();
  [[nodiscard]] TwoClocks now() const;
  [[nodiscard]] bool node_expired() const;
  [[nodiscard]] bool needs_join();
  [[nodiscard]] std::string uri_of(const std::string& subject) const;

  net::Loop& loop_;
  net::BlockingWorker& disk_;
  Options options_;
  ServerClient servers_;
  RenewalPlan plan_;
  std::map<std::string, Entry> entries_;  // by folded service name; "" is the node
  std::set<std::string> unplaced_;        // loaded without a certificate, not yet in the catalog
  std::map<std::string, std::unique_ptr<Order>> orders_;
  std::shared_ptr<const net::TrustBundle> trust_;
  IdentitiesPtr published_;
  bool publish_due_ = false;
  std::uint64_t next_mark_ = 1;
  std::uint64_t local_revision_;  // of the services that were taken; the others likewise
  std::uint64_t roots_index_ = 0;
  std::uint64_t servers_index_ = 0;
  bool too_many_told_ = false;
  bool own_server_next_ = true;  // see Options::own_server
  std::shared_ptr<char> alive_ = std::make_shared<char>();
  Counter requests_;
  Counter failures_;
  GaugeFamily issued_at_;
  GaugeFamily expires_at_;
  net::Timer timer_;
};

}  // namespace mesh::agent
