// The table of routes: one line per endpoint. The declaration of its handler, dispatch, 405 and docs/api.md follow
// from the line; a handler is defined as `handlers::NAME`, which does not compile without a line here.
//
//   READ(scope, method, path, handler, parameters, doc)   answered from the agent's view, at once or when it changes
//   ACT(method, path, handler, parameters, doc)           answered by somebody else: the agent loop, the servers
//
// In a path ":name" is one segment, "*name" the rest, empty too. `parameters` names those of its own in order, by
// spaces; each is described in parameters.cc. Scope Own is this agent's state; Shared is replicated data: it takes
// index, wait, stale, consistent and dc as well and sets Consul's headers. All take pretty.
// The order is that of docs/api.md: `MESH_UPDATE=1 unit_http_api` writes it anew.
#pragma once

#define MESH_ROUTES(READ, ACT)                                                                                         \
  READ(Own, Get, "/v1/agent/self", agent_self, "", "The agent: its configuration, version and member entry")           \
  READ(Own, Get, "/v1/agent/members", agent_members, "wan", "Members of the mesh by gossip: status 1 alive, 3 left, 4 failed") \
  READ(Own, Get, "/v1/agent/services", agent_services, "filter", "Services registered on this agent, by id")           \
  READ(Own, Get, "/v1/agent/service/:id", agent_service, "", "One service registered on this agent")                   \
  READ(Own, Get, "/v1/agent/checks", agent_checks, "filter", "Checks of this agent, by id")                            \
  ACT(Put, "/v1/agent/service/register", agent_service_register, "replace-existing-checks",                            \
      "Registers or replaces a service on this agent")                                                                 \
  ACT(Put, "/v1/agent/service/deregister/:id", agent_service_deregister, "", "Removes a service and its checks")       \
  ACT(Put, "/v1/agent/check/register", agent_check_register, "", "Registers or replaces a check")                      \
  ACT(Put, "/v1/agent/check/deregister/:id", agent_check_deregister, "", "Removes a check")                            \
  ACT(Put, "/v1/agent/check/pass/:id", agent_check_pass, "note", "Reports a TTL check as passing")                     \
  ACT(Put, "/v1/agent/check/warn/:id", agent_check_warn, "note", "Reports a TTL check as warning")                     \
  ACT(Put, "/v1/agent/check/fail/:id", agent_check_fail, "note", "Reports a TTL check as critical")                    \
  ACT(Put, "/v1/agent/check/update/:id", agent_check_update, "", "Reports status and output of a TTL check")           \
  ACT(Put, "/v1/catalog/register", catalog_register, "dc", "Writes a node, a service and checks to the catalog")       \
  ACT(Put, "/v1/catalog/deregister", catalog_deregister, "dc", "Removes a node, a service or a check")                 \
  READ(Own, Get, "/v1/catalog/datacenters", catalog_datacenters, "", "Names of the known datacenters")                 \
  READ(Shared, Get, "/v1/catalog/nodes", catalog_nodes, "node-meta near filter", "All nodes")                          \
  READ(Shared, Get, "/v1/catalog/services", catalog_services, "node-meta filter", "Service names with their tags")     \
  READ(Shared, Get, "/v1/catalog/service/:service", catalog_service, "tag node-meta near filter",                      \
       "Instances of a service, healthy or not")                                                                       \
  READ(Shared, Get, "/v1/catalog/node/:node", catalog_node, "filter", "A node and its services, by service id")        \
  READ(Shared, Get, "/v1/catalog/node-services/:node", catalog_node_services, "filter", "The same with a list")        \
  READ(Shared, Get, "/v1/health/node/:node", health_node, "filter", "Checks on a node")                                \
  READ(Shared, Get, "/v1/health/checks/:service", health_checks, "node-meta near filter", "Checks of a service")       \
  READ(Shared, Get, "/v1/health/service/:service", health_service, "passing tag node-meta near filter",                \
       "Instances of a service with their nodes and checks")                                                           \
  READ(Shared, Get, "/v1/health/state/:state", health_state, "node-meta near filter",                                  \
       "Checks in a state: any, passing, warning or critical")                                                         \
  ACT(Get, "/v1/kv/*key", kv_get, "recurse keys separator raw index wait stale consistent dc",                         \
      "An entry, all entries or keys with a prefix, or the bare value")                                                \
  ACT(Put, "/v1/kv/*key", kv_put, "flags cas acquire release dc", "Sets an entry; answers true or false")              \
  ACT(Delete, "/v1/kv/*key", kv_delete, "recurse cas dc", "Deletes an entry or all with a prefix; true or false")      \
  READ(Shared, Get, "/v1/connect/intentions", intentions_list, "", "Who may call whom")                                \
  READ(Shared, Get, "/v1/connect/intentions/exact", intention_exact, "source destination", "The rule for this pair")   \
  READ(Shared, Get, "/v1/connect/intentions/check", intention_check, "source destination",                             \
       "Whether a connection would be allowed, decided by the data plane's own code")                                  \
  ACT(Put, "/v1/connect/intentions/exact", intention_exact_put, "source destination", "Sets the rule for this pair")   \
  ACT(Delete, "/v1/connect/intentions/exact", intention_exact_delete, "source destination", "Removes it")              \
  ACT(Post, "/v1/connect/intentions", intention_create, "", "Makes a rule; answers its ID")                            \
  READ(Shared, Get, "/v1/connect/intentions/:id", intention_by_id, "", "One rule")                                     \
  ACT(Delete, "/v1/connect/intentions/:id", intention_delete, "", "Removes it")                                        \
  ACT(Get, "/v1/status/leader", status_leader, "dc", "RPC address of the Raft leader; empty if none is known")         \
  ACT(Get, "/v1/status/peers", status_peers, "dc", "RPC addresses of the Raft servers")                                \
  ACT(Get, "/v1/operator/raft/configuration", raft_configuration, "dc", "The servers of the Raft configuration")        \
  ACT(Put, "/v1/agent/leave", agent_leave, "", "Takes this node out of the mesh; a server out of the cluster too")      \
  ACT(Delete, "/v1/mesh/members/:node", mesh_member_delete, "", "Takes another node out of the mesh: by name or id")    \
  ACT(Get, "/v1/mesh/cluster", mesh_cluster, "", "The cluster: id, leader, voters, and how this agent reaches it")      \
  ACT(Get, "/v1/mesh/doctor", mesh_doctor, "", "How this host is: findings, each with what to do")                      \
  ACT(Post, "/v1/mesh/join-tokens", mesh_join_token_create, "", "Makes a join token; the answer shows it, once")        \
  ACT(Get, "/metrics", metrics, "", "Metrics in the Prometheus text format ([metrics.md](metrics.md))")
