// Who may do what: one pure function of the caller, the catalog and the wish. Any thread.
//
//   Local    the server's own process: everything but what only servers make (it has decided for its own callers)
//   Server   as Local, and where itself is to be found; a call that it passes on for somebody is decided by that somebody (model::ForwardRequest)
//   Agent    its own node's registrations, of services that its join token allows; reading the catalog; certificates for
//            its node and services; leaving. Everything else needs default allow, or a management token
//   Joining  the Join call
//
// Default allow opens the catalog, the key-value store and the intentions, never what makes identity: join tokens and
// members need a management token. A member that was revoked may do nothing but ask for that again.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "model/catalog.h"
#include "model/command.h"
#include "model/member.h"
#include "net/rpc.h"
#include "server/state.h"

namespace mesh::server {

struct Caller {
  net::RpcPeer::Kind kind = net::RpcPeer::Kind::Joining;
  std::string node_id;                    // proven by the transport; empty for Local and Joining
  const model::Member* member = nullptr;  // of that node; null: none
  bool management = false;                // a management token came with the call
};

// The caller as the state knows it. `token`: the secret that came with the call, or nothing. Errors: Denied (a token that
// nobody knows, unless the cluster allows by default: clients send what they have). The result points into the state.
[[nodiscard]] Result<Caller> caller_of(const State& state, const net::RpcPeer& peer, std::string_view token);

// The management token with this secret; null: none.
[[nodiscard]] const model::ManagementToken* find_management_token(const State& state, std::string_view secret);

enum class Wish : std::uint8_t {
  Join,
  Sign,          // for the caller's own node; which services: check_leaf
  ReadCatalog,   // barrier, status, watch
  ReadKv,
  CheckToken,
  ManageTokens,  // make and list join tokens
  Forward,
};

// Errors: Denied, with what would help.
[[nodiscard]] Status authorize(const Caller& caller, const model::Catalog& catalog, Wish wish);
// REQUIRES a command that has passed validate().
[[nodiscard]] Status authorize(const Caller& caller, const model::Catalog& catalog, const model::Command& command);

}  // namespace mesh::server
