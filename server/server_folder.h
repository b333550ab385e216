// The making of a server's data directory, whichever way it becomes one (create_cluster.h, join_cluster.h), and its end.
// docs/formats/server-identity.md gives the files and their order.
//
// Blocks; any thread. One at a time per directory: callers hold server.lock.
#pragma once

#include <string>

#include "base/file.h"
#include "base/result.h"
#include "server/identity.h"

namespace mesh::server {

// Locks the directory (made if missing), clears what an interrupted attempt left, and refuses what is not ours to clear.
// Errors: Conflict (it is a server's already, holds a Raft log that no attempt of ours left, or another process has it), Io.
[[nodiscard]] Result<FileLock> begin_server(const std::string& data_dir);

// What begin_server asks, without a change.
[[nodiscard]] Status check_free_folder(const std::string& data_dir);

// The last step: from here on it is a server's directory.
[[nodiscard]] Status finish_server(const std::string& data_dir, const ServerIdentity& identity);

// Whether there is anything of a Raft log. A server's directory without one has lost it. Errors: Io.
[[nodiscard]] Result<bool> holds_log(const std::string& data_dir);

// Removes all that a server keeps; what is not there is no error. Errors: Conflict (a server runs on it), Io.
[[nodiscard]] Status remove_server(const std::string& data_dir);

}  // namespace mesh::server
