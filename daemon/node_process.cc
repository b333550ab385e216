#include "daemon/node_process.h"

#include <fmt/ranges.h>

#include <utility>

#include "base/log.h"
#include "base/version.h"
#include "daemon/host_config.h"
#include "daemon/process_metrics.h"
#include "daemon/seed.h"

namespace mesh::daemon {

NodeProcess::NodeProcess(ConfigReader read_config)
    : read_config_(std::move(read_config)),
      rng_(random_rng()),
      agent_(process_.loop(), process_.metrics(), [this] { process_.notifier().status("serving"); }) {
  register_tls_metrics(process_.metrics(), mesh_pool_, "mesh");
  register_tls_metrics(process_.metrics(), rpc_pool_, "rpc");
}

Status NodeProcess::prepare() {
  MESH_TRY(config, read_config_());
  as_read_ = std::move(config);
  config_ = as_read_;
  MESH_TRY_STATUS(set_log(config_));
  MESH_TRY_STATUS(complete(config_));
  const agent::NodeFiles files(config_.data_dir);
  if (const auto joined = files.state(); joined.ok() && *joined == agent::JoinState::None)  // told before there is no lock
    return error(Code::Precondition, "{} is in no mesh: 'meshctl cluster init' makes one, 'meshctl join --token-file -' joins one",
                 config_.data_dir);
  MESH_TRY(record, files.read_record());
  auto lock = FileLock::acquire(config_.data_dir + "/agent.lock");
  if (!lock.ok() && lock.error().code == Code::Conflict)
    return error(Code::Conflict, "another daemon runs on this data directory ({}): stop it, or choose another data_dir", lock.error().message);
  if (!lock.ok()) return std::move(lock).error();
  lock_.emplace(std::move(lock).value());
  MESH_TRY(identity, files.read());
  identity_ = std::move(identity);
  config_.datacenter = identity_->record.datacenter;
  config_.domain = identity_->record.domain;
  return {};
}

agent::AgentOptions NodeProcess::agent_options() const {
  agent::AgentOptions options;
  options.node.id = model::NodeId(identity_->record.node_id);
  options.node.name = config_.node;
  options.node.address = config_.advertise;
  options.node.datacenter = config_.datacenter;
  options.node.version = std::string(version());
  options.node.mesh_port = static_cast<std::uint16_t>(std::max(config_.ports.mesh, 0));
  options.domain = config_.domain;
  options.data_dir = config_.data_dir;
  options.cluster_id = identity_->record.cluster_id;
  options.services_allowed = identity_->record.services;
  return options;
}

Status NodeProcess::open(AgentPart::Connect connect, Hooks hooks) {
  process_.set_on_hangup([this] { reload(); });
  process_.set_on_terminate([this] { drain(); });
  AgentPart::Options options{config_, agent_options(), {}};
  options.membership.emplace(AgentPart::Membership{&mesh_pool_, agent::NodeFiles(config_.data_dir), *identity_,
                                                   std::move(hooks.on_identities), std::move(hooks.on_servers),
                                                   std::move(hooks.on_member_event),
                                                   [this](const Error& why) { process_.fail(why); }, std::move(hooks.describe_link)});
  return agent_.open(std::move(options), std::move(connect), rng_.fork());
}

Status NodeProcess::run() {
  MESH_TRY_STATUS(agent_.start());
  process_.notifier().ready("waiting for a server");  // ready all the same: it serves what it last knew
  return process_.run();
}

void NodeProcess::reload() {
  process_.notifier().reloading();
  auto config = read_config_();
  const Status status = config.ok() ? take_over(*config) : Status(config.error());
  if (!status.ok()) {
    LOG_ERROR("the configuration was not taken over; what was in force stays", {"why", status.error()});
    return process_.notifier().ready("serving; the last reload was refused");
  }
  const std::string later = fmt::format("{}", fmt::join(keys_for_restart(as_read_, *config), ", "));
  LOG_INFO("configuration read again", {"services", config->services.size()});
  if (later.empty()) return process_.notifier().ready("serving");
  LOG_WARN("changed, and needs a restart to take effect", {"keys", later});
  process_.notifier().ready(fmt::format("serving; needs a restart: {}", later));
}

// Log and services take effect at once.
Status NodeProcess::take_over(const model::Config& config) {
  MESH_TRY_STATUS(set_log(config));
  return agent_.reload(config);
}

void NodeProcess::drain() {
  LOG_INFO("ending: open connections may end first", {"at_most", kDrainMax});
  agent_.drain(process_.loop().now() + kDrainMax, [this] { process_.end(); });
}

}  // namespace mesh::daemon
