// Who may be a member and which certificates may be signed: the rules of docs/formats/state.md ("Identity") as functions
// of the state. The leader asks them before it proposes, so that a refusal costs no log entry; the state machine asks them
// again when the command is applied. Pure; any thread.
#pragma once

#include "base/result.h"
#include "base/time.h"
#include "model/command.h"
#include "raft/configuration.h"
#include "server/state.h"

namespace mesh::server {

// Rows of servers at most; fewer than Raft's configuration has room for, because a server that left may still be in it.
inline constexpr std::size_t kServersMax = 16;
static_assert(kServersMax < raft::kServersMax);

// What a wrong token is answered with, whichever part was wrong.
[[nodiscard]] Error bad_join_token();

// Errors: Denied (revoked; bad_join_token), Conflict (the node id has another key; the name is another member's),
// Precondition (no room for a further server).
// The hash of the secret is compared in constant time.
[[nodiscard]] Status check_admit(const State& state, const model::AdmitCommand& body, WallTime time);

// Whether this admission repeats one that was applied: same node, key and token.
[[nodiscard]] bool is_admitted(const State& state, const model::AdmitCommand& body);

// Precondition: the node is the only server, so that there would be no cluster without it.
[[nodiscard]] Status check_not_last_server(const State& state, const model::NodeId& node_id);

// Whether the node may speak as a server: Denied if it was removed, or joined as something else. A server whose state is
// behind knows few members; it believes what the certificate says.
[[nodiscard]] Status check_speaks_as_server(const State& state, std::string_view node_id);

// Errors: Denied, NotFound, Conflict, Invalid, as the page says.
[[nodiscard]] Status check_leaf(const State& state, const model::LeafIssuedCommand& body);

// The part of check_leaf that needs no key: whether the node may have such a certificate at all.
[[nodiscard]] Status check_may_have_leaf(const State& state, const model::NodeId& node_id, std::string_view service);

}  // namespace mesh::server
