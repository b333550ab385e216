// `meshd join` and `meshd leave`.
#include <unistd.h>

#include <cstdio>

#include "agent/identity/join.h"
#include "agent/identity/node_files.h"
#include "base/file.h"
#include "base/json.h"
#include "daemon/host_config.h"
#include "daemon/membership.h"
#include "model/join_ticket.h"

namespace mesh::daemon {
namespace {

constexpr ByteCount kTokenFileBytesMax{model::kJoinTicketTextMax + 1024};

Result<std::string> read_input() {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t size = read(STDIN_FILENO, buffer, sizeof buffer);
    if (size < 0) return io_error("while reading the join token from standard input", errno);
    if (size == 0) return text;
    text.append(buffer, static_cast<std::size_t>(size));
    if (ByteCount(text.size()) > kTokenFileBytesMax) return error(Code::Invalid, "what stands on standard input is too long for a join token");
  }
}

void print(const agent::NodeRecord& record) {
  std::string text;
  JsonWriter out(text);
  write_json(out, JsonValue(JsonMembers{{"ClusterID", JsonValue(record.cluster_id)},
                                        {"Node", JsonValue(record.name)},
                                        {"NodeID", JsonValue(record.node_id)},
                                        {"Kind", JsonValue(std::string(enum_text(record.kind)))}}));
  std::printf("%s\n", text.c_str());
}

}  // namespace

Status run_join(model::Config config, const std::string& token_file) {
  MESH_TRY_STATUS(complete(config));
  if (token_file.empty()) return error(Code::Invalid, "'join' needs --token-file FILE, or - for standard input");
  MESH_TRY(text, token_file == "-" ? read_input() : read_file(token_file, kTokenFileBytesMax));
  MESH_TRY(ticket, model::JoinTicket::parse(text));
  if (ticket.kind == model::JoinKind::Server)
    return error(Code::Unsupported, "this token makes a server, which this release cannot add yet; make one with 'meshctl token join'");
  MESH_TRY(joined, agent::join_cluster(ticket, {.data_dir = config.data_dir, .node_name = config.node}));
  if (const std::string warning = agent::clock_warning(joined.clock_ahead); !warning.empty())
    std::fprintf(stderr, "meshd: %s\n", warning.c_str());
  MESH_TRY_STATUS(give_to_daemon_user(config.data_dir));
  print(joined.record);
  return {};
}

Status run_leave(model::Config config) {
  MESH_TRY_STATUS(complete(config));
  const agent::NodeFiles files(config.data_dir);
  MESH_TRY(record, files.read_record());
  if (access((config.data_dir + "/server.json").c_str(), F_OK) == 0)
    return error(Code::Precondition, "this host is a server of cluster {}; a server cannot leave yet. To end the whole mesh, stop it and remove {}",
                 record.cluster_id, config.data_dir);
  {
    MESH_TRY(lock, FileLock::acquire(config.data_dir + "/agent.lock"));
    MESH_TRY_STATUS(files.remove_all());
  }
  MESH_TRY_STATUS(remove_tree(config.data_dir + "/agent.lock"));
  print(record);
  return {};
}

}  // namespace mesh::daemon
