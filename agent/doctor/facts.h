// What `doctor` judges by. Filled in two steps: the agent loop says what it knows and what is to be looked at, look.h adds
// what the host says. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "net/address.h"
#include "net/port_owner.h"

namespace mesh::agent {

// A port of the configuration that this process should hold.
struct PortFact {
  std::string key;  // "ports.http"
  net::PortProtocol protocol = net::PortProtocol::Tcp;
  net::Address where;
  std::string owner{};  // looked at: "nginx (pid 812)"; empty: nobody
  bool ours = false;    // looked at
};

struct ServersFact {
  bool connected = false;
  std::string link{};    // how the connection is, in a line
  std::string leader{};  // empty: none is known
  std::vector<std::string> addresses{};
  std::optional<Duration> age{};  // of the catalog; none: there is none
};

struct CertificateFact {
  std::string service{};  // empty: the node's
  std::optional<WallTime> not_before{};
  std::optional<WallTime> not_after{};  // none: there is no certificate
  std::string failure{};                // of the last request since then
};

struct SteeringFact {
  std::string mode{};
  bool best = false;
  bool settled = false;  // the helper has answered
  bool dns = false;      // 127.128.0.53:53 reaches this agent
  std::string reason{};
  std::string hint{};
};

struct DnsFact {
  std::string name{};       // asked for
  std::string expected{};   // its address
  std::string domain{};
  std::string server{};     // where this agent answers; empty: nowhere
  bool forwards = false;    // it has recursors
  std::vector<std::string> resolvers{};  // looked at, as all below: of /etc/resolv.conf
  std::vector<std::string> answers{};
  std::string failure{};
};

struct DataDirFact {
  std::string path{};
  std::string failure{};  // looked at, as all below
  std::uint64_t bytes_free = 0;
  std::uint64_t bytes_total = 0;
  std::string trouble{};  // who may read what he should not
};

struct ServiceFact {
  std::string id{};
  net::Address where;
  bool listens = false;  // looked at
};

struct DoctorFacts {
  std::string node{};
  WallTime now{};
  std::vector<PortFact> ports{};
  std::optional<Duration> clock_ahead{};  // of the servers'; none: not known
  std::optional<ServersFact> servers{};
  std::vector<CertificateFact> certificates{};
  std::optional<SteeringFact> steering{};  // of a host in a mesh, as DNS and the data directory
  std::optional<DnsFact> dns{};
  std::optional<DataDirFact> data_dir{};
  std::vector<ServiceFact> services{};
};

}  // namespace mesh::agent
