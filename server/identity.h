// Who a server is: the file server.json in its data directory, written once, by the making of a cluster
// (server/create_cluster.h) or by joining one. Its presence says that the directory is a server's. docs/formats/server-identity.md.
#pragma once

#include <cstdint>
#include <string>

#include "base/message.h"
#include "base/result.h"

namespace mesh::server {

inline constexpr std::uint32_t kIdentityVersion = 1;

#define MESH_SERVER_IDENTITY_FIELDS(F)                                                             \
  F(1, std::uint32_t, version, "version", "of this file's layout")                                 \
  F(2, std::string, cluster_id, "cluster_id", "UUID of the cluster, for life")                     \
  F(3, std::uint64_t, server_id, "server_id", "number of the server in its cluster, never reused") \
  F(4, std::string, datacenter, "datacenter", "")                                                  \
  F(5, std::string, node_id, "node_id", "UUID of the host as a node and member")
struct ServerIdentity {
  MESH_MESSAGE(ServerIdentity, MESH_SERVER_IDENTITY_FIELDS)
};

// Errors: Precondition (no server's directory: says what to do), Corrupt, Unsupported (a later layout), Io.
[[nodiscard]] Result<ServerIdentity> read_identity(const std::string& data_dir);

// What to try when a file or a store of a server is damaged: a half sentence. Never to remove it lightly: what a server has
// promised the others must not be forgotten under its name.
[[nodiscard]] std::string damaged_server_remedy(const std::string& data_dir);

// Files of a server: who it is; an Init command that waits for the first leadership (server/create_cluster.h).
[[nodiscard]] std::string identity_file(const std::string& data_dir);
[[nodiscard]] std::string init_file(const std::string& data_dir);
// Folders of its stores.
[[nodiscard]] std::string log_folder(const std::string& data_dir);
[[nodiscard]] std::string tables_folder(const std::string& data_dir);

}  // namespace mesh::server
