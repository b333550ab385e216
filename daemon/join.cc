// `meshd join` and `meshd leave`.
#include <unistd.h>

#include <cstdio>

#include "agent/identity/join.h"
#include "agent/identity/node_files.h"
#include "base/file.h"
#include "base/json.h"
#include "base/time_text.h"
#include "daemon/host_config.h"
#include "daemon/membership.h"
#include "model/join_ticket.h"

namespace mesh::daemon {
namespace {

constexpr ByteCount kTokenFileBytesMax{model::kJoinTicketTextMax + 1024};

// A token is one line; empty ones before it do not count.
bool has_line(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  return begin != std::string_view::npos && text.find('\n', begin) != std::string_view::npos;
}

Result<std::string> read_input() {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t size = read(STDIN_FILENO, buffer, sizeof buffer);
    if (size < 0) return io_error("while reading the join token from standard input", errno);
    if (size == 0) return text;
    text.append(buffer, static_cast<std::size_t>(size));
    if (has_line(text)) return text;  // pasted at a terminal: no Ctrl-D is needed
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

Error needs_server_program(std::string_view why) {
  return error(Code::Precondition, "{}: this needs the program meshd-server (package meshd-server) beside meshd", why);
}

bool holds_server(const model::Config& config) { return access((config.data_dir + "/server.json").c_str(), F_OK) == 0; }

// The node id of a join that was begun and can go on; empty: there is none.
std::string begun_node(const agent::NodeFiles& files) {
  const auto record = files.read_record();
  return record.ok() ? record->node_id : std::string();
}

Result<agent::JoinOptions> join_options(const model::Config& config, const model::JoinTicket& ticket, OpenServerFolder open_folder) {
  agent::JoinOptions options;
  options.data_dir = config.data_dir;
  options.node_name = config.node;
  if (ticket.kind != model::JoinKind::Server) {
    if (!holds_server(config)) return options;
    return error(Code::Conflict, "{} is a server's data directory: 'meshctl leave' first, or use another --data-dir", config.data_dir);
  }
  if (open_folder == nullptr) return needs_server_program("this token makes a server");
  std::shared_ptr<ServerFolder> folder = open_folder(config.data_dir);
  MESH_TRY_STATUS(folder->check(ticket.cluster_id, begun_node(agent::NodeFiles(config.data_dir))));
  options.rpc_address = rpc_address(config);
  options.keep = [folder](const agent::NodeRecord& record, const model::JoinResponse& response) {
    return folder->make(record, response);
  };
  return options;
}

Status set_patience(const std::string& timeout, agent::JoinOptions& options) {
  options.on_retry = [](const std::string& why, Duration pause) {
    std::fprintf(stderr, "meshd: no server has let this host in yet (%s); asking again in %s s\n", why.c_str(),
                 fmt::format("{:.2g}", std::chrono::duration<double>(pause).count()).c_str());
  };
  if (timeout.empty()) return {};
  const auto time = parse_duration(timeout);
  if (!time || *time <= Duration{}) return error(Code::Invalid, "--timeout: '{}' is not a time such as 10s or 500ms", timeout);
  options.time_max = *time;
  options.server_time_max = std::min(options.server_time_max, *time);
  return {};
}

}  // namespace

Status run_join(model::Config config, const JoinWish& wish, OpenServerFolder open_folder) {
  const std::string& token_file = wish.token_file;
  MESH_TRY_STATUS(complete(config));
  if (token_file.empty()) return error(Code::Invalid, "'join' needs --token-file FILE, or - for standard input");
  MESH_TRY(text, token_file == "-" ? read_input() : read_input_file(token_file, kTokenFileBytesMax));
  MESH_TRY(ticket, model::JoinTicket::parse(text));
  MESH_TRY(options, join_options(config, ticket, open_folder));
  MESH_TRY_STATUS(set_patience(wish.timeout, options));
  MESH_TRY(joined, agent::join_cluster(ticket, options));
  if (const std::string warning = agent::clock_warning(joined.clock_ahead); !warning.empty())
    std::fprintf(stderr, "meshd: %s\n", warning.c_str());
  MESH_TRY_STATUS(give_to_daemon_user(config.data_dir));
  print(joined.record);
  return {};
}

Status run_leave(model::Config config, OpenServerFolder open_folder) {
  const agent::NodeFiles files(config.data_dir);
  if (const auto joined = files.state(); joined.ok() && *joined == agent::JoinState::None)
    return error(Code::Precondition, "{} is in no mesh: there is nothing to leave", config.data_dir);
  MESH_TRY(record, files.read_record());
  if (holds_server(config) && open_folder == nullptr) return needs_server_program("this host is a server");
  {
    const auto lock = FileLock::acquire(config.data_dir + "/agent.lock");
    if (!lock.ok() && lock.error().code == Code::Conflict)
      return error(Code::Conflict, "meshd still runs on this host ({}): stop it, then 'meshctl leave --force'", lock.error().message);
    if (!lock.ok()) return lock.error();
    if (open_folder != nullptr) MESH_TRY_STATUS(open_folder(config.data_dir)->remove());
    MESH_TRY_STATUS(files.remove_all());
  }
  MESH_TRY_STATUS(remove_tree(config.data_dir + "/agent.lock"));
  print(record);
  return {};
}

}  // namespace mesh::daemon
