#include "tests/unit/agent/http_api/api_fixture.h"

#include "base/wire.h"

namespace mesh::agent {
namespace {

model::Node node_of(std::string_view id, const std::string& name, const std::string& address) {
  model::Node node;
  node.id = model::NodeId(id);
  node.name = name;
  node.address = address;
  node.datacenter = "dc1";
  return node;
}

}  // namespace

ApiFixture::ApiFixture() : local(node_of(kHostA, "host-a", "10.0.0.1")) {
  serve_all();
  rpc_listener_ = std::make_unique<net::LocalRpcListener>(loop, rpc_);
  channel_ = rpc_listener_->connect(loop);
  servers_ = std::make_unique<ServerClient>(loop, *channel_, Rng(1));
  api_ = std::make_unique<HttpApi>(loop, *this, *servers_, Rng(2), ApiOptions{.metrics = &metrics});
  server_ = std::make_unique<net::Http1Server>(loop, *api_);
  REQUIRE(server_->listen(net::Endpoint(net::IpAddress::loopback(), 0)).ok());
  REQUIRE(server_->listen(net::Endpoint(net::UnixPath{folder_.file("agent.sock")})).ok());
  client_ = std::make_unique<net::Http1Client>(loop);
  set_default(model::IntentionAction::Allow);
}

ApiFixture::~ApiFixture() {
  client_.reset();
  server_.reset();
  api_.reset();
  servers_.reset();
}

net::HttpResponse ApiFixture::call(Ask ask) {
  net::HttpRequest request;
  request.method = ask.method;
  request.method_text = net::method_name(ask.method);
  request.target = ask.target;
  request.body = std::move(ask.body);
  request.headers = std::move(ask.headers);
  Result<net::HttpResponse> out = error(Code::Internal, "not answered");
  bool done = false;
  const auto running = client_->send(std::move(request), {.to = server_->endpoints()[ask.by_socket ? 1 : 0], .deadline = loop.now() + seconds(20)},
                                     [&](Result<net::HttpResponse> response) {
                                       out = std::move(response);
                                       done = true;
                                     });
  REQUIRE(wait([&] { return done; }));
  if (!out.ok()) FAIL(out.error().message);
  return std::move(out).value();
}

std::unique_ptr<ApiFixture::Pending> ApiFixture::start(const std::string& target) {
  auto pending = std::make_unique<Pending>();
  net::HttpRequest request;
  request.target = target;
  pending->call = client_->send(std::move(request),
                                {.to = server_->endpoints()[0], .deadline = loop.now() + seconds(60), .keep_alive = false},
                                [raw = pending.get()](Result<net::HttpResponse> response) {
                                  raw->response = std::move(response);
                                  raw->done = true;
                                });
  return pending;
}

void ApiFixture::put_node(std::string_view id, const std::string& name, const std::string& address) {
  model::Node node = node_of(id, name, address);
  node.meta["rack"] = name == "host-a" ? "r1" : "r2";
  change({model::kTableNodes, Bytes(id), encode(node)});
}

void ApiFixture::put_service(std::string_view node_id, const std::string& id, const std::string& name,
                             std::vector<std::string> tags) {
  model::ServiceDefinition definition;
  definition.id = id;
  definition.name = name;
  definition.port = 8080;
  definition.tags = std::move(tags);
  const model::ServiceInstance instance = model::instance_of(definition, model::NodeId(node_id));
  change({model::kTableInstances, model::key_on_node(node_id, id), encode(instance)});
}

void ApiFixture::put_check(std::string_view node_id, const std::string& check_id, const std::string& service_id,
                           model::CheckStatus status) {
  model::Check check;
  check.node_id = model::NodeId(node_id);
  check.check_id = check_id;
  check.name = check_id;
  check.service_id = service_id;
  check.status = status;
  if (!service_id.empty()) check.service_name = catalog.instance(node_id, service_id)->name;
  change({model::kTableChecks, model::key_on_node(node_id, check_id), encode(check)});
}

void ApiFixture::put_intention(const std::string& source, const std::string& destination, model::IntentionAction action) {
  model::Intention intention;
  intention.id = "1c0d0000-0000-4000-8000-000000000001";
  intention.source = source;
  intention.destination = destination;
  intention.action = action;
  change({model::kTableIntentions, intention.id, encode(intention)});
  publish();
}

void ApiFixture::remove_service(std::string_view node_id, const std::string& id) {
  change({model::kTableInstances, model::key_on_node(node_id, id), std::nullopt});
}

void ApiFixture::change(model::RowChange row) {
  model::ChangeSet changes;
  changes.index = catalog.index() + 1;
  changes.rows.push_back(std::move(row));
  auto next = catalog.with_changes(changes);
  REQUIRE(next.ok());
  catalog = std::move(next).value();
}

void ApiFixture::set_default(model::IntentionAction action) {
  model::Cluster cluster;
  cluster.id = "c1a00000-0000-4000-8000-000000000001";
  cluster.default_action = action;
  change({model::kTableCluster, {}, encode(cluster)});
  publish();
}

void ApiFixture::publish() {
  api_->publish(std::make_shared<const AgentView>(AgentView{.datacenter = "dc1",
                                                            .domain = "mesh",
                                                            .local = local,
                                                            .catalog = catalog,
                                                            .replica_ready = ready,
                                                            .connected = true,
                                                            .fresh_at = loop.now(),
                                                            .leader = "127.0.0.1:8300"}));
}

void ApiFixture::put_example() {
  put_node(kHostA, "host-a", "10.0.0.1");
  put_node(kHostB, "host-b", "10.0.0.2");
  put_check(kHostA, "serfHealth", "", model::CheckStatus::Passing);
  put_check(kHostB, "serfHealth", "", model::CheckStatus::Passing);
  put_service(kHostA, "web-1", "web", {"v1", "blue"});
  put_service(kHostB, "web-2", "web", {"v2", "blue"});
  put_service(kHostA, "db", "db");
  put_check(kHostB, "web-check", "web-2", model::CheckStatus::Critical);
  publish();
}

void ApiFixture::register_service(ServiceRegistration registration, Done done) {
  finish(local.add_service(registration.definition, {.replace_existing_checks = registration.replace_existing_checks}),
         std::move(done));
}

void ApiFixture::leave(Done done) {
  left = true;
  finish({}, std::move(done));
}

void ApiFixture::deregister_service(std::string service_id, Done done) {
  finish(local.remove_service(service_id), std::move(done));
}

void ApiFixture::register_check(model::CheckDefinition definition, Done done) {
  finish(local.add_check(definition, Source::Api), std::move(done));
}

void ApiFixture::deregister_check(std::string check_id, Done done) {
  finish(local.remove_check(check_id), std::move(done));
}

void ApiFixture::report_check(CheckReport report, Done done) {
  const auto changed = local.report_check(report.check_id, report.status, report.output);
  finish(changed.ok() ? Status() : Status(changed.error()), std::move(done));
}

void ApiFixture::finish(Status status, Done done) {
  loop.post([this, status = std::move(status), done = std::move(done)]() mutable {
    publish();
    done(std::move(status));
  });
}

template <class Request>
void ApiFixture::serve(std::string_view path, std::function<Result<Bytes>(const Request&)> answer) {
  rpc_.handle(net::RpcMethod{path}, [this, answer = std::move(answer)](net::RpcRequest request, net::RpcReply reply) {
    if (servers_fail) return reply.finish(error(Code::Internal, "told to fail"));
    const auto decoded = decode<Request>(request.body);
    REQUIRE(decoded.ok());
    reply.finish(answer(*decoded));
  });
}

void ApiFixture::serve_all() {
  serve<model::ApplyRequest>(model::kApplyPath, [this](const model::ApplyRequest& request) {
    commands.push_back(request.command);
    command_token = request.token;
    next_result.index = catalog.index() + 1;
    return Result<Bytes>(encode(next_result));
  });
  serve<model::BarrierRequest>(model::kBarrierPath, [this](const model::BarrierRequest&) {
    model::BarrierResponse response;
    response.index = barrier_index != 0 ? barrier_index : catalog.index();
    return Result<Bytes>(encode(response));
  });
  serve<model::KvReadRequest>(model::kKvReadPath, [this](const model::KvReadRequest& request) {
    kv_reads.push_back(request);
    return Result<Bytes>(encode(kv_answer));
  });
  serve<model::TokenCheckRequest>(model::kTokenCheckPath, [](const model::TokenCheckRequest& request) {
    if (request.token != kGoodToken) return Result<Bytes>(error(Code::Denied, "Permission denied: the token is unknown"));
    return Result<Bytes>(encode(model::TokenCheckResponse{}));
  });
  serve<model::JoinTokenCreateRequest>(model::kJoinTokenCreatePath, [this](const model::JoinTokenCreateRequest& request) {
    join_tokens.push_back(request);
    model::JoinTokenCreateResponse response;
    response.text = "mesh1.text";
    response.token.id = "t1";
    response.token.kind = request.kind;
    return Result<Bytes>(encode(response));
  });
  for (const std::string_view path : {model::kStatusPath, model::kLeaderStatusPath}) {
    serve<model::StatusRequest>(path, [](const model::StatusRequest&) {
      model::StatusResponse response;
      response.leader = "127.0.0.1:8300";
      response.peers = {"127.0.0.1:8300", "127.0.0.2:8300"};
      return Result<Bytes>(encode(response));
    });
  }
}

std::string header_of(const net::HttpResponse& response, std::string_view name) {
  return std::string(response.headers.get(name).value_or(""));
}

JsonValue json_of(const net::HttpResponse& response) {
  auto json = parse_json(response.body);
  if (!json.ok()) FAIL(json.error().message);
  return std::move(json).value();
}

}  // namespace mesh::agent
