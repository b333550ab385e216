// `meshd agent`.
#include "base/log.h"
#include "base/log_writer.h"
#include "daemon/node.h"
#include "daemon/node_process.h"
#include "daemon/server_links.h"

namespace mesh::daemon {

Status run_agent(const ConfigReader& read_config) {
  const LogWriter log_writer;  // outlives the threads that log
  NodeProcess node(read_config);
  MESH_TRY_STATUS(node.prepare());
  if (node.record().kind == model::JoinKind::Server)
    return error(Code::Precondition, "this host is a server of its mesh, which its agent is part of: run 'meshd server' (meshd-server.service)");
  agent::ServerChannelOptions options;
  options.datacenter = node.record().datacenter;
  options.trust_domain = agent::trust_domain_of(node.record());
  options.redial.channel.metrics = &node.process().metrics();
  ServerLinks servers(node.pool(), node.fork_rng(), std::move(options));
  const auto take_servers = [&servers](const std::vector<std::string>& addresses) {
    if (const Status set = servers.set_servers(addresses); !set.ok())
      LOG_WARN("the servers told addresses that are none", {"why", set.error()});
  };
  MESH_TRY_STATUS(node.open([&servers](net::Loop& loop) { return servers.connect(loop); },
                            {.on_identities = [&servers](const proxy::Identities& identities) {
                               servers.set_identities(identities);
                             },
                             .on_servers = take_servers,
                             .describe_link = [&servers, &loop = node.process().loop()] { return servers.describe(loop); }}));
  take_servers(node.record().servers);
  proxy::Identities own;
  own.node = node.identity().identity;
  own.trust = node.identity().trust;
  servers.set_identities(own);
  const Status status = node.run();
  node.stop();
  return status;
}

}  // namespace mesh::daemon
