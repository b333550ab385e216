#include "server/authorize.h"

#include "tests/test.h"
#include "tests/unit/server/command_maker.h"

namespace mesh::server {
namespace {

using Kind = net::RpcPeer::Kind;

constexpr std::string_view kNode = "11111111-0000-4000-8000-000000000000";
constexpr std::string_view kOther = "22222222-0000-4000-8000-000000000000";

model::Member member_of(model::JoinKind kind) {
  model::Member out;
  out.node_id = model::NodeId(std::string(kNode));
  out.kind = kind;
  out.name = "host-a";
  out.services = {"web", "db-*"};
  return out;
}

model::Catalog catalog_with(bool default_allow) {
  Applier a;
  model::InitCommand init;
  init.cluster_id = "c0000000-0000-4000-8000-000000000000";
  init.default_allow = default_allow;
  a.run(init);
  return a.catalog();
}

model::RegisterCommand own(std::string service = "", std::string_view id = kNode, std::string name = "Host-A") {
  model::RegisterCommand body = registration(std::move(name), std::move(service));
  body.node.id = model::NodeId(std::string(id));
  return body;
}
model::Command removal(std::string node) {
  model::DeregisterCommand body;
  body.node = std::move(node);
  return model::make_command(body);
}
model::Command check(std::string_view node) {
  model::CheckUpdateCommand body;
  body.node = node;
  return model::make_command(body);
}
model::Command revocation(std::string_view node) {
  model::MemberRevokeCommand body;
  body.node_id = model::NodeId(std::string(node));
  return model::make_command(body);
}

struct Row {
  const char* what;
  model::Command command;
  bool agent_under_deny;
  bool agent_under_allow;
  bool with_management_token;
};

TEST_CASE("what an agent may write, by default action and token") {
  const Row rows[] = {
      {"its node", model::make_command(own()), true, true, true},
      {"its node with services of its token", model::make_command(own("db-1")), true, true, true},
      {"a service that its token does not allow", model::make_command(own("shop")), false, true, true},
      {"its node under another name", model::make_command(own("", kNode, "host-b")), false, true, true},
      {"another node", model::make_command(own("", kOther, "host-b")), false, true, true},
      {"a node without id", model::make_command(own("", "")), false, true, true},
      {"removing what is its own", removal(std::string(kNode)), true, true, true},
      {"removing by name, which may be another's soon", removal("host-a"), false, true, true},
      {"removing another node", removal(std::string(kOther)), false, true, true},
      {"a check of its own", check(kNode), true, true, true},
      {"a check of another node", check(kOther), false, true, true},
      {"a key", model::make_command(kv_command(model::KvOp::Set, "k")), false, true, true},
      {"an intention", model::make_command(model::IntentionUpsertCommand{}), false, true, true},
      {"deleting an intention", model::make_command(model::IntentionDeleteCommand{}), false, true, true},
      {"leaving", revocation(kNode), true, true, true},
      {"removing another member", revocation(kOther), false, false, true},
      {"deleting a join token", model::make_command(model::JoinTokenDeleteCommand{}), false, false, true},
      {"making a join token by hand", model::make_command(model::JoinTokenPutCommand{}), false, false, false},
      {"admitting somebody", model::make_command(model::AdmitCommand{}), false, false, false},
      {"a certificate by hand", model::make_command(model::LeafIssuedCommand{}), false, false, false},
      {"a new cluster", model::make_command(model::InitCommand{}), false, false, false},
  };
  const model::Member member = member_of(model::JoinKind::Agent);
  const model::Catalog deny = catalog_with(false), allow = catalog_with(true);
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto may = [&](const model::Catalog& catalog, bool management) {
      return authorize(Caller{Kind::Agent, std::string(kNode), &member, management}, catalog, row.command).ok();
    };
    EXPECT_EQ(may(deny, false), row.agent_under_deny);
    EXPECT_EQ(may(allow, false), row.agent_under_allow);
    EXPECT_EQ(may(deny, true), row.with_management_token);
    EXPECT_EQ(may(model::Catalog(), false), row.agent_under_deny);  // before there is a cluster row
    // The server's own process and other servers: what a management token may.
    EXPECT_EQ(authorize(Caller{Kind::Local, "", nullptr, false}, deny, row.command).ok(), row.with_management_token);
    const model::Member server = member_of(model::JoinKind::Server);
    EXPECT_EQ(authorize(Caller{Kind::Server, std::string(kNode), &server, false}, deny, row.command).ok(),
              row.with_management_token);
    EXPECT_FALSE(authorize(Caller{Kind::Joining, "", nullptr, true}, allow, row.command).ok());
  }
}

TEST_CASE("where a server is, only that server says") {
  const model::Catalog allow = catalog_with(true);
  model::ServerUpdateCommand body;
  body.node_id = model::NodeId(kNode);
  const model::Command command = model::make_command(body);
  const model::Member server = member_of(model::JoinKind::Server);
  const model::Member agent = member_of(model::JoinKind::Agent);
  EXPECT(authorize(Caller{Kind::Server, std::string(kNode), &server, false}, allow, command).ok());
  EXPECT_FALSE(authorize(Caller{Kind::Agent, std::string(kNode), &agent, true}, allow, command).ok());
  EXPECT_FALSE(authorize(Caller{Kind::Local, "", nullptr, true}, allow, command).ok());
  body.node_id = model::NodeId(kOther);
  EXPECT_FALSE(authorize(Caller{Kind::Server, std::string(kNode), &server, true}, allow, model::make_command(body)).ok());
}

TEST_CASE("which calls are open to whom") {
  struct Call {
    Wish wish;
    bool joining, agent_under_deny, agent_under_allow, agent_with_token, server, local;
  };
  const Call calls[] = {
      {Wish::Join, true, true, true, true, true, true},
      {Wish::Sign, false, true, true, true, true, true},
      {Wish::ReadCatalog, false, true, true, true, true, true},
      {Wish::ReadKv, false, false, true, true, true, true},
      {Wish::CheckToken, false, true, true, true, true, true},
      {Wish::ManageTokens, false, false, false, true, true, true},
      {Wish::Forward, false, false, false, false, true, false},
  };
  const model::Member agent = member_of(model::JoinKind::Agent), server = member_of(model::JoinKind::Server);
  const model::Catalog deny = catalog_with(false), allow = catalog_with(true);
  for (const Call& call : calls) {
    CAPTURE(static_cast<int>(call.wish));
    const std::string id(kNode);
    EXPECT_EQ(authorize(Caller{Kind::Joining, "", nullptr, false}, allow, call.wish).ok(), call.joining);
    EXPECT_EQ(authorize(Caller{Kind::Agent, id, &agent, false}, deny, call.wish).ok(), call.agent_under_deny);
    EXPECT_EQ(authorize(Caller{Kind::Agent, id, &agent, false}, allow, call.wish).ok(), call.agent_under_allow);
    EXPECT_EQ(authorize(Caller{Kind::Agent, id, &agent, true}, deny, call.wish).ok(), call.agent_with_token);
    EXPECT_EQ(authorize(Caller{Kind::Server, id, &server, false}, deny, call.wish).ok(), call.server);
    EXPECT_EQ(authorize(Caller{Kind::Local, "", nullptr, false}, deny, call.wish).ok(), call.local);
  }
}

TEST_CASE("a stranger, a removed member and an agent that says it is a server may nothing") {
  const model::Catalog allow = catalog_with(true);
  model::Member removed = member_of(model::JoinKind::Agent);
  removed.revoked_at = WallTime(seconds(1));
  const model::Member agent = member_of(model::JoinKind::Agent);
  const Caller callers[] = {{Kind::Agent, std::string(kNode), nullptr, true},
                            {Kind::Agent, std::string(kNode), &removed, true},
                            {Kind::Server, std::string(kNode), &agent, true},
                            {Kind::Server, std::string(kNode), nullptr, true}};
  for (const Caller& caller : callers) {
    for (const Wish wish : {Wish::Sign, Wish::ReadCatalog, Wish::ReadKv, Wish::CheckToken, Wish::ManageTokens, Wish::Forward}) {
      EXPECT(outcome_of(authorize(caller, allow, wish)) == Code::Denied);
    }
    EXPECT(outcome_of(authorize(caller, allow, model::make_command(own()))) == Code::Denied);
  }
}

TEST_CASE("a host whose leave was done, and its answer lost, may ask again, for itself only") {
  const model::Catalog deny = catalog_with(false);
  model::Member removed = member_of(model::JoinKind::Agent);
  removed.revoked_at = WallTime(seconds(1));
  const Caller caller{Kind::Agent, std::string(kNode), &removed, false};
  model::MemberRevokeCommand body;
  body.node_id = removed.node_id;
  EXPECT(authorize(caller, deny, model::make_command(body)).ok());
  body.node_id = model::NodeId(std::string(kOther));
  EXPECT(outcome_of(authorize(caller, deny, model::make_command(body))) == Code::Denied);
}

TEST_CASE("a token that nobody knows is refused, unless everything is allowed by default") {
  for (const bool default_allow : {false, true}) {
    Applier a;
    model::InitCommand init;
    init.cluster_id = "c0000000-0000-4000-8000-000000000000";
    init.default_allow = default_allow;
    init.management_token.emplace().id = std::string(kOther);
    // SHA-256 of "abc" (FIPS 180-4, example).
    init.management_token->secret_hash = std::string(
        "\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d\xae\x22\x23\xb0\x03\x61\xa3\x96\x17\x7a\x9c\xb4\x10\xff\x61\xf2\x00\x15\xad", 32);
    a.run(init);
    const net::RpcPeer peer{Kind::Agent, std::string(kNode)};
    EXPECT(caller_of(a.state(), peer, "abc")->management);
    EXPECT_FALSE(caller_of(a.state(), peer, "")->management);
    const Result<Caller> wrong = caller_of(a.state(), peer, "abd");
    EXPECT_EQ(wrong.ok(), default_allow);
    if (wrong.ok()) EXPECT_FALSE(wrong->management);
    EXPECT_FALSE(caller_of(a.state(), {Kind::Joining, ""}, "abc")->management);
  }
}

}  // namespace
}  // namespace mesh::server
