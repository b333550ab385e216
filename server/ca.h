// Ca: the certificate authority as the leader uses it: reads certificate requests and signs leaves on a thread of its own
// (net::BlockingWorker), since either costs milliseconds of arithmetic and the raft loop has heartbeats to send. The
// root's key is opened from its sealed form on that thread, at its first use, and stays in memory there.
//
// It signs what it is told: who may have what is decided before (server/members.h) and recorded before (LeafIssued).
//
// Thread: the raft loop. Completions fire once, later; destroying the Ca waits for the job in progress and drops the
// others. Limit: whoever calls bounds what is under way (IdentityService::kIssuingMax, below BlockingWorker::kJobsMax).
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/function.h"
#include "base/result.h"
#include "net/blocking_worker.h"
#include "net/tls/certificate.h"
#include "server/ca_key.h"
#include "server/leaf_plan.h"

namespace mesh::server {

class Ca {
 public:
  template <class T>
  using Done = UniqueFunction<void(Result<T>)>;

  // key: what opens the roots' keys; none: this server cannot sign.
  Ca(net::LoopRef loop, std::optional<CaKey> key);
  ~Ca();
  Ca(const Ca&) = delete;
  Ca& operator=(const Ca&) = delete;

  [[nodiscard]] bool has_key() const { return key_.has_value(); }
  // The line of ca.key, for a server that joins. REQUIRES has_key().
  [[nodiscard]] std::string key_text() const { return key_->text(); }
  // Of a row of SealedKeys. Errors: of CaKey::open. REQUIRES has_key().
  [[nodiscard]] Result<std::string> open(const model::SealedKey& sealed) const { return key_->open(sealed); }

  // Errors: Invalid (no PKCS#10 request, its signature does not verify, another kind of key).
  void read_csr(Bytes der, Done<net::CsrInfo> done);

  struct Order {
    model::CaRoot root;
    model::SealedKey sealed_key;
    net::CsrInfo request;
    LeafPlan plan;
    bool with_root = false;  // behind the leaf, for who is known by the pinned root
  };
  // The chain as PEM. Errors: of CaKey::open and of the signer. REQUIRES has_key().
  void sign(Order order, Done<std::string> done);

 private:
  class Workshop;

  std::optional<CaKey> key_;
  std::unique_ptr<Workshop> workshop_;  // used by the worker's thread only
  net::BlockingWorker worker_;          // its thread ends before the workshop
};

}  // namespace mesh::server
