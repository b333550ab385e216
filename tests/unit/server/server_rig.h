// A whole server on a real directory, its callers on the same loop; for tests.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/uuid.h"
#include "net/rpc_local.h"
#include "server/create_cluster.h"
#include "server/server.h"
#include "tests/test.h"
#include "tests/unit/server/command_maker.h"

namespace mesh::server {

inline constexpr Duration kRefusalDelay = milliseconds(30);
inline constexpr Duration kPatience = seconds(20);
inline constexpr std::string_view kCluster = "c0000000-0000-4000-8000-000000000000";

// A client that keeps a catalog from the stream, as an agent does; for tests, on the server's own loop.
class WatchClient final : public net::RpcStreamObserver {
 public:
  WatchClient(net::RpcChannel& channel, const model::Catalog& known) : catalog(known) {
    model::WatchRequest request;
    request.version = model::kWatchVersion;
    request.known_index = known.index();
    request.known_hashes = known.table_hashes();
    stream_ = channel.open({model::kWatchPath}, encode(request), *this);
  }
  void on_message(ByteView bytes) override {
    const Result<model::WatchMessage> message = decode<model::WatchMessage>(bytes);
    REQUIRE(message.ok());
    kinds.push_back(message->kind);
    if (message->kind == model::WatchKind::SnapshotRows) {
      rows_.insert(rows_.end(), message->rows.begin(), message->rows.end());
    } else if (message->kind == model::WatchKind::SnapshotEnd) {
      catalog = *catalog.with_snapshot(message->index, rows_);
    } else if (message->kind == model::WatchKind::Delta) {
      catalog = *catalog.with_changes({message->index, message->rows});
    } else if (message->kind == model::WatchKind::Heartbeat) {
      catalog.advance(message->index);
    }
    if (message->kind != model::WatchKind::SnapshotBegin && message->kind != model::WatchKind::SnapshotRows) {
      EXPECT(catalog.agrees_with(message->hashes));
    }
  }
  void on_end(Status status) override { end = std::move(status); }

  model::Catalog catalog;
  std::vector<model::WatchKind> kinds;
  std::optional<Status> end;

 private:
  std::vector<model::RowChange> rows_;
  std::unique_ptr<net::RpcStream> stream_;
};

class ServerRig {
 public:
  explicit ServerRig(const std::string& data_dir) {
    ServerOptions options;
    options.data_dir = data_dir;
    options.rpc_address = "127.0.0.1:8300";
    options.refusal_delay = kRefusalDelay;
    options.health.settle = Duration::zero();
    options.raft.election_timeout = milliseconds(20);
    options.raft.heartbeat_interval = milliseconds(5);
    options.raft.lease_margin = milliseconds(2);
    Result<std::unique_ptr<Server>> opened =
        Server::open(loop, options, [](const Error&) { FAIL("a store failed"); });
    if (!opened.ok()) FAIL(opened.error().message);
    server = std::move(*opened);
    listener = std::make_unique<net::LocalRpcListener>(loop, server->rpc());
    channel = listener->connect(loop);
    REQUIRE(wait([&] {
      return server->host().core().lease_valid(loop.now()) && server->state().catalog().cluster() != nullptr;
    }));
  }
  ~ServerRig() {
    bool stopped = false;
    server->stop([&] { stopped = true; });
    EXPECT(wait([&] { return stopped; }));
    channel.reset();
    listener.reset();
    server.reset();
  }

  bool wait(UniqueFunction<bool()> done) { return loop.run_until(std::move(done), kPatience); }

  // From here on calls are those of this peer.
  void act_as(net::RpcPeer peer) { channel = listener->connect(loop, std::move(peer)); }

  template <class Response>
  Result<Response> call(std::string_view path, Bytes request) {
    std::optional<Result<Bytes>> answer;
    const auto call = channel->call({path}, std::move(request), loop.now() + kPatience,
                                    [&](Result<Bytes> result) { answer = std::move(result); });
    REQUIRE(wait([&] { return answer.has_value(); }));
    if (!answer->ok()) return answer->error();
    return decode<Response>(**answer);
  }
  template <class Response, Message Request>
  Result<Response> call(std::string_view path, const Request& request) {
    return call<Response>(path, encode(request));
  }
  template <class Body>
  Result<model::CommandResult> apply(Body body, std::string request_id = "", std::string token = "") {
    model::ApplyRequest request;
    request.command = model::make_command(std::move(body));
    request.command.request_id = std::move(request_id);
    request.token = std::move(token);
    return call<model::CommandResult>(model::kApplyPath, encode(request));
  }
  Result<model::KvReadResponse> kv(std::string key, model::ReadMode mode = model::ReadMode::Default) {
    model::KvReadRequest request;
    request.key = std::move(key);
    request.mode = mode;
    return call<model::KvReadResponse>(model::kKvReadPath, encode(request));
  }

  net::Loop loop{"raft"};
  std::unique_ptr<Server> server;
  std::unique_ptr<net::LocalRpcListener> listener;
  std::unique_ptr<net::RpcChannel> channel;
};

inline CreatedCluster make_cluster(const std::string& data_dir, bool default_allow = true) {
  NewCluster cluster;
  cluster.data_dir = data_dir;
  cluster.cluster_id = std::string(kCluster);
  cluster.node_name = "server-1";
  cluster.default_allow = default_allow;
  Result<CreatedCluster> made = create_cluster(cluster);
  if (!made.ok()) FAIL(made.error().message);
  return std::move(made).value();
}
inline std::string new_cluster(const TempDir& dir) {
  make_cluster(dir.file("server"));
  return dir.file("server");
}

}  // namespace mesh::server
