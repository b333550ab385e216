// Handlers about the Raft group, and the metrics of this process.
#include "agent/http_api/bodies.h"
#include "agent/http_api/call.h"
#include "agent/http_api/routes.h"

namespace mesh::agent {
namespace {

// Answers with one fact that the servers tell.
template <class Write>
void ask_status(std::unique_ptr<Call> call, Write write) {
  if (const Status known = call->check_datacenter(); !known.ok()) return call->fail(known.error());
  ServerClient& servers = call->parts().servers;
  const MonoTime deadline = call->deadline(kReadTime);
  servers.status(deadline, [call = std::move(call), write](const Result<model::StatusResponse>& status) {
    if (!status.ok()) return call->fail(status.error());
    std::string body;
    JsonWriter out(body, JsonWriter::Options{.pretty = call->target().flag("pretty")});
    write(out, *status);
    call->reply_json(std::move(body));
  });
}

}  // namespace

void handlers::status_leader(std::unique_ptr<Call> call) {
  ask_status(std::move(call),
             [](JsonWriter& out, const model::StatusResponse& status) { out.string(status.leader); });
}

void handlers::status_peers(std::unique_ptr<Call> call) {
  ask_status(std::move(call), [](JsonWriter& out, const model::StatusResponse& status) {
    out.begin_list();
    for (const std::string& peer : status.peers) out.string(peer);
    out.end_list();
  });
}

void handlers::raft_configuration(std::unique_ptr<Call> call) {
  ask_status(std::move(call), [](JsonWriter& out, const model::StatusResponse& status) {
    RaftConfiguration configuration;
    for (const model::ServerStatus& server : status.servers) {
      if (server.role == model::ServerRole::None) continue;
      RaftServer& row = configuration.servers.emplace_back();
      row.id = server.node_id;
      row.node = server.name;
      row.address = server.address;
      row.leader = server.role == model::ServerRole::Leader;
      row.protocol_version = "3";
      row.voter = server.role >= model::ServerRole::Voter;
    }
    configuration.index = status.commit_index;
    write_json(out, configuration);
  });
}

void handlers::metrics(std::unique_ptr<Call> call) {
  net::HttpResponse response;
  response.headers.add("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  if (call->parts().metrics != nullptr) response.body = call->parts().metrics->prometheus_text();
  call->reply(std::move(response));
}

}  // namespace mesh::agent
