// Bodies of requests that are no product type: what Consul's clients send. Values; any thread.
#pragma once

#include <optional>
#include <string>

#include "base/message.h"
#include "base/time.h"
#include "model/check.h"
#include "model/intention.h"
#include "model/node.h"
#include "model/protocol.h"
#include "model/service.h"
#include "model/token.h"

namespace mesh::agent {

#define MESH_CATALOG_REGISTRATION_FIELDS(F)                                                             \
  F(1, std::string, datacenter, "Datacenter", "default: the agent's")                                   \
  F(2, model::NodeId, id, "ID", "of the node; default: that of the node with this name, or a new one")  \
  F(3, std::string, node, "Node", "required")                                                           \
  F(4, std::string, address, "Address", "required unless SkipNodeUpdate")                               \
  F(5, MapOf<std::string>, tagged_addresses, "TaggedAddresses", "of the node")                          \
  F(6, MapOf<std::string>, node_meta, "NodeMeta|Meta", "of the node")                                   \
  F(7, std::optional<model::ServiceDefinition>, service, "Service", "an instance on the node")          \
  F(8, std::optional<model::Check>, check, "Check", "of the node or, with ServiceID, of an instance")   \
  F(9, ListOf<model::Check>, checks, "Checks", "further checks")                                        \
  F(10, bool, skip_node_update, "SkipNodeUpdate", "leave an existing node as it is")
struct CatalogRegistration {
  MESH_MESSAGE(CatalogRegistration, MESH_CATALOG_REGISTRATION_FIELDS)
};

#define MESH_CATALOG_DEREGISTRATION_FIELDS(F)                                  \
  F(1, std::string, datacenter, "Datacenter", "default: the agent's")          \
  F(2, std::string, node, "Node", "required; name or id")                      \
  F(3, std::string, service_id, "ServiceID", "only this instance")             \
  F(4, std::string, check_id, "CheckID", "only this check")
struct CatalogDeregistration {
  MESH_MESSAGE(CatalogDeregistration, MESH_CATALOG_DEREGISTRATION_FIELDS)
};

#define MESH_CHECK_STATUS_BODY_FIELDS(F)                                                  \
  F(1, std::optional<model::CheckStatus>, status, "Status", "required")                   \
  F(2, std::string, output, "Output", "cut at a limit")
struct CheckStatusBody {
  MESH_MESSAGE(CheckStatusBody, MESH_CHECK_STATUS_BODY_FIELDS)
};

#define MESH_JOIN_TOKEN_BODY_FIELDS(F)                                                                  \
  F(1, model::JoinKind, kind, "Kind", "agent or server")                                                \
  F(2, ListOf<std::string>, services, "Services", "name patterns that the host may run; none: all")     \
  F(3, std::uint32_t, uses, "Uses", "how many hosts may join; default 1")                               \
  F(4, Duration, life, "Life", "default 24h")                                                           \
  F(5, std::string, description, "Description", "for people")
struct JoinTokenBody {
  MESH_MESSAGE(JoinTokenBody, MESH_JOIN_TOKEN_BODY_FIELDS)
};

#define MESH_JOIN_TOKEN_ANSWER_FIELDS(F)                                                                \
  F(1, std::string, text, "Text", "the join token, shown only here")                                    \
  F(2, model::JoinToken, token, "Token", "what the servers keep of it")
struct JoinTokenAnswer {
  MESH_MESSAGE(JoinTokenAnswer, MESH_JOIN_TOKEN_ANSWER_FIELDS)
};

#define MESH_CLUSTER_ANSWER_FIELDS(F)                                                                   \
  F(1, std::string, cluster_id, "ClusterID", "")                                                        \
  F(2, std::string, datacenter, "Datacenter", "")                                                       \
  F(3, std::string, domain, "Domain", "")                                                               \
  F(4, model::IntentionAction, default_action, "DefaultAction", "what no intention decides")            \
  F(5, std::string, leader, "Leader", "ADDRESS:PORT of its RPC; empty: none is known")                  \
  F(6, ListOf<std::string>, voters, "Voters", "ADDRESS:PORT each")                                      \
  F(7, std::uint64_t, term, "Term", "")                                                                 \
  F(8, std::uint64_t, commit_index, "CommitIndex", "")                                                  \
  F(9, std::uint64_t, applied_index, "AppliedIndex", "of the server that answered")                     \
  F(10, ListOf<model::ServerStatus>, servers, "Servers", "each server, as the leader sees it, else as the one that answered") \
  F(11, std::string, state_hash, "StateHash", "of all its rows; servers with the same AppliedIndex show the same")
struct ClusterAnswer {
  MESH_MESSAGE(ClusterAnswer, MESH_CLUSTER_ANSWER_FIELDS)
};

// Consul's /v1/operator/raft/configuration.
#define MESH_RAFT_SERVER_FIELDS(F)                                                                      \
  F(1, std::string, id, "ID", "node id")                                                                \
  F(2, std::string, node, "Node", "its name")                                                           \
  F(3, std::string, address, "Address", "ADDRESS:PORT of its RPC")                                      \
  F(4, bool, leader, "Leader", "")                                                                      \
  F(5, std::string, protocol_version, "ProtocolVersion", "")                                            \
  F(6, bool, voter, "Voter", "")
struct RaftServer {
  MESH_MESSAGE(RaftServer, MESH_RAFT_SERVER_FIELDS)
};
#define MESH_RAFT_CONFIGURATION_FIELDS(F)                                                               \
  F(1, ListOf<RaftServer>, servers, "Servers", "")                                                      \
  F(2, std::uint64_t, index, "Index", "")
struct RaftConfiguration {
  MESH_MESSAGE(RaftConfiguration, MESH_RAFT_CONFIGURATION_FIELDS)
};

}  // namespace mesh::agent
