// How the Join call reaches a server: over TLS without a certificate of our own, to a server that is known by the hash of
// its authority's key (a join token pins it) or by trusted roots (renewal).
//
// Blocking, for a program that does one thing at a time; any thread, one call at a time.
#pragma once

#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "net/tls/identity.h"

namespace mesh::agent {

// What one server said. Not reached: why; nothing was asked, or its answer is not known.
struct JoinAnswer {
  bool reached = false;
  Result<Bytes> result;
};

class JoinCaller {
 public:
  virtual ~JoinCaller() = default;
  // server: ADDRESS:PORT. Waits at most `time_max`.
  [[nodiscard]] virtual JoinAnswer call(const std::string& server, const Bytes& request, Duration time_max) = 0;
  // Between two rounds.
  virtual void pause(Duration time) = 0;
  [[nodiscard]] virtual MonoTime now() const = 0;
};

struct JoinTrust {
  std::string datacenter;
  std::string trust_domain;
  Bytes pinned_root_key_hash;                       // or, if empty:
  std::shared_ptr<const net::TrustBundle> roots{};
};

[[nodiscard]] std::unique_ptr<JoinCaller> make_tls_join_caller(JoinTrust trust);

}  // namespace mesh::agent
