// One request for a certificate on its way through IdentityService, stage by stage. Internal to it. Raft loop.
#pragma once

#include <optional>
#include <string>

#include "server/identity_service.h"

namespace mesh::server {

struct IdentityService::Wanted {
  LeafSubject subject;
  std::string node_name;
  std::string token_id;  // with Join: the host is to be admitted; empty: it is a member
  Bytes secret_hash;
  bool join = false;  // which of the two calls it was
};

class IdentityService::Issue {
 public:
  Issue(IdentityService& service, Wanted wanted, net::RpcReply reply);

  void start(Bytes csr);

 private:
  void on_request(Result<net::CsrInfo> request);
  [[nodiscard]] Result<model::Command> make_command(const net::CsrInfo& request);
  void on_recorded(const Result<Bytes>& result);
  void on_signed(Result<std::string> chain);
  [[nodiscard]] Result<Bytes> answer(std::string chain) const;
  [[nodiscard]] Status add_secrets(model::JoinResponse& response) const;
  void refuse(Error why);
  void finish(Result<Bytes> result);

  IdentityService& service_;
  Wanted wanted_;
  net::RpcReply reply_;
  std::optional<Ca::Order> order_;
};

}  // namespace mesh::server
