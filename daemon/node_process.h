// What `agent` and `server` share: configuration, identity on disk, one process per data directory, the agent part with its
// data plane, reload and drain. Main thread.
#pragma once

#include <optional>

#include "agent/identity/node_files.h"
#include "base/file.h"
#include "base/result.h"
#include "base/rng.h"
#include "daemon/agent_part.h"
#include "daemon/node.h"
#include "daemon/process.h"
#include "net/tls/handshake.h"

namespace mesh::daemon {

inline constexpr Duration kDrainMax = seconds(30);  // for open connections, once the daemon is told to end

class NodeProcess {
 public:
  explicit NodeProcess(ConfigReader read_config);

  // Reads configuration and identity and takes the data directory. Errors: Invalid (all faults of the configuration),
  // Precondition (not joined), Conflict (another daemon has the directory).
  Status prepare();

  struct Hooks {
    UniqueFunction<void(const proxy::Identities&)> on_identities;
    UniqueFunction<void(const std::vector<std::string>&)> on_servers;
    UniqueFunction<void(const gossip::MemberEvent&)> on_member_event = {};
    UniqueFunction<std::string()> describe_link;
  };
  // REQUIRES prepare().
  Status open(AgentPart::Connect connect, Hooks hooks);
  // Serves until the end. REQUIRES open().
  Status run();
  void stop() { agent_.stop(); }
  // See AgentPart::suspect. On the agent loop.
  void suspect(std::string_view node_id) { agent_.suspect(node_id); }

  [[nodiscard]] Process& process() { return process_; }
  [[nodiscard]] const model::Config& config() const { return config_; }
  [[nodiscard]] const agent::NodeRecord& record() const { return identity_->record; }
  [[nodiscard]] const agent::NodeIdentity& identity() const { return *identity_; }
  // For connections between agents and servers: a flood of the mesh port takes nothing of it.
  [[nodiscard]] net::HandshakePool& pool() { return rpc_pool_; }
  [[nodiscard]] Rng fork_rng() { return rng_.fork(); }

 private:
  [[nodiscard]] agent::AgentOptions agent_options() const;
  void reload();
  [[nodiscard]] Status take_over(const model::Config& config);
  void drain();

  ConfigReader read_config_;
  model::Config as_read_;  // at the start
  model::Config config_;
  Rng rng_;
  Process process_;
  net::HandshakePool mesh_pool_;
  net::HandshakePool rpc_pool_{{.thread_name = "rpc-tls"}};
  std::optional<FileLock> lock_;
  std::optional<agent::NodeIdentity> identity_;
  AgentPart agent_;
};

}  // namespace mesh::daemon
