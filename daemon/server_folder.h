// A server's files in a data directory, for `join` and `leave`; in meshd-server only.
#pragma once

#include <memory>
#include <string>

#include "daemon/membership.h"

namespace mesh::daemon {

[[nodiscard]] std::unique_ptr<ServerFolder> open_server_folder(const std::string& data_dir);

}  // namespace mesh::daemon
