// `meshd server`: the server part, and the agent part of the same host.
#include "base/log_writer.h"
#include "daemon/host_config.h"
#include "daemon/node.h"
#include "daemon/node_process.h"
#include "daemon/server_part.h"

namespace mesh::daemon {
namespace {

Status open_server(NodeProcess& node, ServerPart& server) {
  server::ServerOptions options;
  options.data_dir = node.config().data_dir;
  options.rpc_address = rpc_address(node.config());
  options.seed = node.fork_rng().next();
  options.pool = &node.pool();
  options.trust_domain = agent::trust_domain_of(node.record());
  options.metrics = &node.process().metrics();
  MESH_TRY_STATUS(server.open(options, [&node](const Error& reason) { node.process().fail(reason); }));
  return server.listen(node.config(), node.record(), node.pool());
}

}  // namespace

Status run_server(const ConfigReader& read_config) {
  const LogWriter log_writer;  // outlives the threads that log
  NodeProcess node(read_config);
  MESH_TRY_STATUS(node.prepare());
  ServerPart server(node.process().metrics());
  MESH_TRY_STATUS(open_server(node, server));
  MESH_TRY_STATUS(node.open([&server](net::Loop& loop) { return server.connect(loop); },
                            {.on_identities = [&server](const proxy::Identities& identities) {
                               server.set_identities(identities);
                             },
                             .on_servers = {},
                             .on_member_event = [&server](const gossip::MemberEvent& event) { server.on_member(event); },
                             .describe_link = [] { return "the server is in this process"; }}));
  server.gossip_started();
  server.set_on_stream_end([&node](const std::string& node_id) {
    node.process().loop().post([&node, node_id] { node.suspect(node_id); });
  });
  server.start();
  const Status status = node.run();
  node.stop();
  server.stop();
  return status;
}

}  // namespace mesh::daemon
