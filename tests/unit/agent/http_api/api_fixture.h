// A whole HTTP API on one loop: real HTTP over loopback, the real server client, and stand-ins for the agent loop and
// the servers that keep their state in this object.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/http_api/api.h"
#include "base/file.h"
#include "model/catalog.h"
#include "model/tables.h"
#include "net/http1/client.h"
#include "net/http1/server.h"
#include "net/loop.h"
#include "net/rpc.h"
#include "net/rpc_local.h"
#include "tests/test.h"

namespace mesh::agent {

inline constexpr std::string_view kHostA = "4b1c0000-0000-4000-8000-00000000000a";
inline constexpr std::string_view kHostB = "4b1c0000-0000-4000-8000-00000000000b";

inline constexpr std::string_view kGoodToken = "9c1b0000-0000-4000-8000-000000000001";  // that the servers know

class ApiFixture final : public AgentControl {
 public:
  ApiFixture();
  ~ApiFixture() override;

  struct Ask {
    net::HttpMethod method = net::HttpMethod::Get;
    std::string target;
    Bytes body = {};
    net::HttpHeaders headers = {};
    bool by_socket = false;  // else by TCP
  };
  net::HttpResponse call(Ask ask);
  net::HttpResponse get(const std::string& target) { return call({.target = target}); }
  net::HttpResponse put(const std::string& target, Bytes body = {}) {
    return call({.method = net::HttpMethod::Put, .target = target, .body = std::move(body)});
  }
  net::HttpResponse del(const std::string& target) { return call({.method = net::HttpMethod::Delete, .target = target}); }

  // A request that is not waited for.
  struct Pending {
    bool done = false;
    Result<net::HttpResponse> response = error(Code::Internal, "not answered");
    std::unique_ptr<net::HttpCall> call;
  };
  std::unique_ptr<Pending> start(const std::string& target);
  bool wait(std::function<bool()> done) { return loop.run_until(std::move(done), seconds(20)); }

  // Changes of the catalog; visible with the next publish().
  void put_node(std::string_view id, const std::string& name, const std::string& address);
  void put_service(std::string_view node_id, const std::string& id, const std::string& name,
                   std::vector<std::string> tags = {});
  void put_check(std::string_view node_id, const std::string& check_id, const std::string& service_id,
                 model::CheckStatus status);
  void put_intention(const std::string& source, const std::string& destination, model::IntentionAction action);
  void remove_service(std::string_view node_id, const std::string& id);
  void publish();
  // What no intention decides; allow at first.
  void set_default(model::IntentionAction action);
  // Two hosts; web on both (b's is critical), db on a.
  void put_example();

  net::Loop loop{"api"};
  model::Catalog catalog;
  LocalState local;
  bool ready = true;
  bool servers_fail = false;
  bool left = false;
  std::vector<model::Command> commands;  // that the servers got
  std::string command_token;             // with the last one
  model::CommandResult next_result;      // what they answer, with applied as given; index is filled in
  std::vector<model::JoinTokenCreateRequest> join_tokens;
  std::vector<model::KvReadRequest> kv_reads;
  model::KvReadResponse kv_answer;
  std::uint64_t barrier_index = 0;       // 0: the catalog's
  MetricRegistry metrics;

  void release_waiting() { api_->release_waiting(); }
  [[nodiscard]] std::size_t waiting() const { return api_->waiting_reads(); }

 private:
  TempDir folder_ = TempDir::make().value();
  void register_service(ServiceRegistration registration, Done done) override;
  void deregister_service(std::string service_id, Done done) override;
  void register_check(model::CheckDefinition definition, Done done) override;
  void deregister_check(std::string check_id, Done done) override;
  void report_check(CheckReport report, Done done) override;
  void leave(Done done) override;
  void finish(Status status, Done done);
  void change(model::RowChange row);
  template <class Request>
  void serve(std::string_view path, std::function<Result<Bytes>(const Request&)> answer);
  void serve_all();

  net::RpcServer rpc_;
  std::unique_ptr<net::LocalRpcListener> rpc_listener_;
  std::unique_ptr<net::RpcChannel> channel_;
  std::unique_ptr<ServerClient> servers_;
  std::unique_ptr<HttpApi> api_;
  std::unique_ptr<net::Http1Server> server_;
  std::unique_ptr<net::Http1Client> client_;
};

std::string header_of(const net::HttpResponse& response, std::string_view name);
JsonValue json_of(const net::HttpResponse& response);

}  // namespace mesh::agent
