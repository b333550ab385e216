// Join tokens, members and leaves in the state machine: what is let in, what is refused, and that replicas agree.
#include "server/members.h"

#include <map>
#include <set>

#include "base/message_json.h"
#include "tests/test.h"
#include "tests/unit/server/command_maker.h"

namespace mesh::server {
namespace {

constexpr std::string_view kToken = "d0000000-0000-4000-8000-000000000000";
constexpr std::string_view kNode = "11111111-0000-4000-8000-000000000000";
constexpr std::string_view kOther = "22222222-0000-4000-8000-000000000000";
const Bytes kSecretHash(32, 's');
const Bytes kKey(32, 'k');

Code code_of(const model::CommandResult& result) { return static_cast<Code>(result.code); }

model::JoinTokenPutCommand token(std::uint32_t uses = 1, std::vector<std::string> services = {"web", "db-*"}) {
  model::JoinTokenPutCommand body;
  body.token.id = kToken;
  body.token.secret_hash = kSecretHash;
  body.token.services = std::move(services);
  body.token.uses_left = uses;
  body.token.expires_at = WallTime(seconds(5000));
  return body;
}

model::Leaf leaf(std::string_view node, std::string service = "", std::string serial = "01") {
  model::Leaf out;
  out.serial = std::move(serial);
  out.node_id = model::NodeId(std::string(node));
  out.service = std::move(service);
  out.uri = "spiffe://x";
  out.not_before = WallTime(seconds(400));
  out.not_after = WallTime(seconds(9000));
  return out;
}

model::AdmitCommand admission(std::string_view node = kNode, std::string name = "host-a") {
  model::AdmitCommand body;
  body.token_id = kToken;
  body.secret_hash = kSecretHash;
  body.member.node_id = model::NodeId(std::string(node));
  body.member.name = std::move(name);
  body.member.key_hash = kKey;
  body.leaf = leaf(node);
  return body;
}

model::LeafIssuedCommand issue(std::string service, std::string_view node = kNode, std::string serial = "02") {
  model::LeafIssuedCommand body;
  body.leaf = leaf(node, std::move(service), std::move(serial));
  body.key_hash = kKey;
  return body;
}

model::MemberRevokeCommand revocation(std::string_view node = kNode) {
  model::MemberRevokeCommand body;
  body.node_id = model::NodeId(std::string(node));
  return body;
}

// A member that runs web.
void admit_with_web(Applier& a) {
  REQUIRE_EQ(a.run(token(3)).code, 0);
  REQUIRE_EQ(a.run(admission()).code, 0);
  model::RegisterCommand body = registration("host-a", "web");
  body.node.id = model::NodeId(std::string(kNode));
  REQUIRE_EQ(a.run(body).code, 0);
}

TEST_CASE("an admission makes a member with the token's rights and takes one use") {
  Applier a;
  a.run(token(2));
  const model::CommandResult result = a.run(admission());
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.id, kNode);
  const model::Member* member = a.state().member(kNode);
  REQUIRE(member != nullptr);
  EXPECT_EQ(member->services, (std::vector<std::string>{"web", "db-*"}));
  EXPECT_EQ(member->token_id, kToken);
  EXPECT(member->joined_at == a.time);
  EXPECT_EQ(a.state().join_token(kToken)->uses_left, 1);
  EXPECT_EQ(a.state().leaf_count(), 1);
  EXPECT_EQ(*a.state().member_named("HOST-A"), model::NodeId(std::string(kNode)));
}

TEST_CASE("every wrong token is refused in the same words and leaves no trace") {
  Applier a;
  a.run(token(1));
  std::string words;
  const auto refused = [&](const model::AdmitCommand& body) {
    const std::uint64_t hash = a.state().hash();
    const model::CommandResult result = a.run(body);
    EXPECT(code_of(result) == Code::Denied);
    if (words.empty()) words = result.message;
    EXPECT_EQ(result.message, words);
    EXPECT_EQ(a.state().hash(), hash);
  };
  model::AdmitCommand body = admission();
  body.token_id = "e0000000-0000-4000-8000-000000000000";
  refused(body);
  body = admission();
  body.secret_hash[31] = 'x';
  refused(body);
  body.secret_hash.pop_back();
  refused(body);
  body = admission();
  body.member.kind = model::JoinKind::Server;
  refused(body);
  REQUIRE_EQ(a.run(admission()).code, 0);
  refused(admission(kOther, "host-b"));  // used up
  a.run(token(5));
  a.time = WallTime(seconds(5000));
  a.run(kv_command(model::KvOp::Set, "k"));  // moves the clock, whose row is part of the hash
  refused(admission(kOther, "host-b"));  // expired
  model::JoinTokenDeleteCommand gone;
  gone.id = kToken;
  EXPECT_EQ(a.run(gone).code, 0);
  refused(admission(kOther, "host-b"));
  EXPECT(code_of(a.run(gone)) == Code::NotFound);
}

TEST_CASE("a repeated admission takes no further use, even of a token that is used up, but needs its secret") {
  Applier a;
  a.run(token(1));
  a.run(admission());
  EXPECT_EQ(a.run(admission()).code, 0);
  EXPECT_EQ(a.state().join_token(kToken)->uses_left, 0);
  a.time = WallTime(seconds(6000));
  EXPECT_EQ(a.run(admission()).code, 0);
  model::AdmitCommand guess = admission();
  guess.secret_hash[0] = 'x';
  EXPECT(code_of(a.run(guess)) == Code::Denied);
  model::JoinTokenDeleteCommand gone;
  gone.id = kToken;
  a.run(gone);
  EXPECT(code_of(a.run(admission())) == Code::Denied);
}

TEST_CASE("a member that joins again with another token gets that one's rights") {
  Applier a;
  a.run(token(1));
  a.run(admission());
  model::JoinTokenPutCommand wider = token(1, {"*"});
  wider.token.id = kOther;
  a.run(wider);
  model::AdmitCommand again = admission();
  again.token_id = kOther;
  EXPECT_EQ(a.run(again).code, 0);
  EXPECT_EQ(a.state().member(kNode)->services, (std::vector<std::string>{"*"}));
  EXPECT_EQ(a.state().join_token(kOther)->uses_left, 0);
}

TEST_CASE("a node id is bound to its key, a name to its member") {
  Applier a;
  a.run(token(5));
  a.run(admission());
  model::AdmitCommand thief = admission();
  thief.member.key_hash = Bytes(32, 'x');
  EXPECT(code_of(a.run(thief)) == Code::Conflict);
  EXPECT(code_of(a.run(admission(kOther, "Host-A"))) == Code::Conflict);
  EXPECT_EQ(a.state().join_token(kToken)->uses_left, 4);
  EXPECT_EQ(a.run(revocation()).code, 0);
  EXPECT_EQ(a.run(admission(kOther, "Host-A")).code, 0);
  EXPECT(code_of(a.run(admission())) == Code::Denied);  // the revoked one does not come back
}

TEST_CASE("a certificate for a service needs the token's permission and a registration on that node") {
  Applier a;
  admit_with_web(a);
  EXPECT_EQ(a.run(issue("web")).code, 0);
  EXPECT_EQ(a.run(issue("WEB", kNode, "03")).code, 0);
  EXPECT(code_of(a.run(issue("shop"))) == Code::Denied);
  EXPECT(code_of(a.run(issue("db-1"))) == Code::NotFound);
  EXPECT(code_of(a.run(issue("query"))) == Code::Invalid);
  EXPECT(code_of(a.run(issue("web", kOther))) == Code::Denied);
  a.run(token(5));
  a.run(admission(kOther, "host-b"));
  EXPECT(code_of(a.run(issue("web", kOther))) == Code::NotFound);  // it runs on the other host
  model::DeregisterCommand gone;
  gone.node = "host-a";
  gone.service_id = "web";
  a.run(gone);
  EXPECT(code_of(a.run(issue("web"))) == Code::NotFound);
}

TEST_CASE("a node's own certificate is for the recorded key, and may bring a free name") {
  Applier a;
  a.run(token(5));
  a.run(admission());
  a.run(admission(kOther, "host-b"));
  EXPECT_EQ(a.run(issue("")).code, 0);
  model::LeafIssuedCommand other_key = issue("", kNode, "04");
  other_key.key_hash = Bytes(32, 'x');
  EXPECT(code_of(a.run(other_key)) == Code::Denied);
  model::LeafIssuedCommand renamed = issue("", kNode, "05");
  renamed.node_name = "host-b";
  EXPECT(code_of(a.run(renamed)) == Code::Conflict);
  renamed.node_name = "host-c";
  EXPECT_EQ(a.run(renamed).code, 0);
  EXPECT_EQ(a.state().member(kNode)->name, "host-c");
  EXPECT(a.state().member_named("host-a") == nullptr);
}

TEST_CASE("a revoked member gets no certificate") {
  Applier a;
  admit_with_web(a);
  a.run(revocation());
  EXPECT(code_of(a.run(issue("web"))) == Code::Denied);
  EXPECT(code_of(a.run(issue(""))) == Code::Denied);
  const auto revoked_at = a.state().member(kNode)->revoked_at;
  a.time = WallTime(seconds(2000));
  EXPECT_EQ(a.run(revocation()).code, 0);
  EXPECT(a.state().member(kNode)->revoked_at == revoked_at);
  EXPECT(code_of(a.run(revocation(kOther))) == Code::NotFound);
}

TEST_CASE("a removed node is in the revocation list until its certificates have run out") {
  Applier a;
  admit_with_web(a);
  a.time = WallTime(seconds(2000));
  a.run(revocation());
  const model::Removal* row = a.state().catalog().removal(kNode);
  REQUIRE(row != nullptr);
  EXPECT_EQ(row->name, "host-a");
  EXPECT(row->removed_at == WallTime(seconds(2000)));
  EXPECT(row->until == WallTime(seconds(2000)) + hours(8 * 24));
  const std::uint64_t index = a.state().catalog().removals_index();
  a.run(revocation());
  EXPECT_EQ(a.state().catalog().removals_index(), index);  // a repeated one changes nothing
  a.time = WallTime(seconds(2000)) + hours(8 * 24);
  a.run(revocation());
  EXPECT(a.state().catalog().removals().empty());
}

TEST_CASE("records of expired certificates go, a bounded number at a time") {
  Applier a;
  admit_with_web(a);
  for (int i = 0; i < 40; ++i) {
    model::LeafIssuedCommand body = issue("web", kNode, "a" + std::to_string(i));
    body.leaf.not_after = WallTime(seconds(1500));
    a.run(body);
  }
  EXPECT_EQ(a.state().leaf_count(), 41);
  a.time = WallTime(seconds(1500));
  a.run(issue("web", kNode, "b1"));
  EXPECT_EQ(a.state().leaf_count(), 42);  // not before it is over
  a.time = WallTime(seconds(1501));
  a.run(issue("web", kNode, "b2"));
  EXPECT_EQ(a.state().leaf_count(), 27);
  for (const char* serial : {"b3", "b4"}) a.run(issue("web", kNode, serial));
  EXPECT_EQ(a.state().leaf_count(), 5);
}

model::InitCommand first() {
  model::InitCommand body;
  body.cluster_id = "c0000000-0000-4000-8000-000000000000";
  body.datacenter = "dc1";
  body.domain = "mesh";
  body.root.emplace().id = "root-1";
  body.root->certificate = "PEM";
  body.sealed_key.emplace().root_id = "root-1";
  body.sealed_key->sealed = "sealed-bytes";
  body.management_token.emplace().id = std::string(kOther);
  body.management_token->secret_hash = kSecretHash;
  body.member = admission().member;
  body.leaf = leaf(kNode);
  body.server.emplace().server_id = 1;
  body.server->node_id = model::NodeId(kNode);
  body.server->address = "10.0.0.1:8300";
  return body;
}

TEST_CASE("a cluster begins with its root, its first token, its first member and its first server") {
  Applier a;
  EXPECT_EQ(a.run(first()).code, 0);
  EXPECT_EQ(a.catalog().cluster()->domain, "mesh");
  REQUIRE_EQ(a.catalog().roots().size(), 1);
  EXPECT_EQ(a.state().sealed_key("root-1")->sealed, "sealed-bytes");
  EXPECT_EQ(a.state().management_tokens().size(), 1);
  EXPECT(a.state().member(kNode)->joined_at == a.time);
  EXPECT_EQ(a.state().leaf_count(), 1);
  REQUIRE_EQ(a.catalog().servers().size(), 1);
  EXPECT_EQ(a.catalog().server(1)->address, "10.0.0.1:8300");
  EXPECT_EQ(a.catalog().server_on(kNode), a.catalog().server(1));
  EXPECT(a.catalog().server(2) == nullptr);
  EXPECT_EQ(a.state().servers().size(), 1);
  EXPECT_EQ(a.catalog().cluster()->last_server_id, 1);
  EXPECT(code_of(a.run(first())) == Code::Conflict);
}

model::JoinTokenPutCommand server_token() {
  model::JoinTokenPutCommand body = token(9);
  body.token.kind = model::JoinKind::Server;
  return body;
}

model::AdmitCommand server_admission(std::string_view node, std::string name, std::string address) {
  model::AdmitCommand body = admission(node, std::move(name));
  body.member.kind = model::JoinKind::Server;
  body.server_address = std::move(address);
  return body;
}

constexpr std::string_view kThird = "33333333-0000-4000-8000-000000000000";

TEST_CASE("a server that joins gets the next number and a row; repeated, it keeps its number") {
  Applier a;
  a.run(first());
  a.run(server_token());
  EXPECT_EQ(a.run(server_admission(kOther, "host-b", "10.0.0.2:8300")).code, 0);
  REQUIRE(a.catalog().server_on(kOther) != nullptr);
  EXPECT_EQ(a.catalog().server_on(kOther)->server_id, 2);
  EXPECT_EQ(a.catalog().server(2)->name, "host-b");
  EXPECT_EQ(a.run(server_admission(kOther, "host-b", "10.0.0.9:8300")).code, 0);
  EXPECT_EQ(a.catalog().servers().size(), 2);
  EXPECT_EQ(a.catalog().server(2)->address, "10.0.0.9:8300");
  EXPECT_EQ(a.catalog().cluster()->last_server_id, 2);
}

TEST_CASE("a server that is removed leaves the servers and the catalog, and its number is never used again") {
  Applier a;
  a.run(first());
  a.run(server_token());
  a.run(server_admission(kOther, "host-b", "10.0.0.2:8300"));
  model::RegisterCommand node;
  node.node.id = model::NodeId(kOther);
  node.node.name = "host-b";
  a.run(node);
  EXPECT_EQ(a.run(revocation(kOther)).code, 0);
  EXPECT(a.catalog().server(2) == nullptr);
  EXPECT(a.catalog().node(kOther) == nullptr);
  EXPECT(code_of(a.run(server_admission(kOther, "host-b", "10.0.0.2:8300"))) == Code::Denied);
  EXPECT_EQ(a.run(server_admission(kThird, "host-b", "10.0.0.2:8300")).code, 0);
  EXPECT_EQ(a.catalog().server_on(kThird)->server_id, 3);
}

TEST_CASE("the last server is not removed") {
  Applier a;
  a.run(first());
  EXPECT(code_of(a.run(revocation(kNode))) == Code::Precondition);
  EXPECT_FALSE(a.state().member(kNode)->revoked_at.has_value());
  EXPECT_EQ(a.catalog().servers().size(), 1);
}

TEST_CASE("a server tells a new address of its own row only") {
  Applier a;
  a.run(first());
  model::ServerUpdateCommand body;
  body.server_id = 1;
  body.node_id = model::NodeId(kNode);
  body.address = "10.0.0.7:8300";
  EXPECT_EQ(a.run(body).code, 0);
  EXPECT_EQ(a.catalog().server(1)->address, "10.0.0.7:8300");
  body.node_id = model::NodeId(kOther);
  EXPECT(code_of(a.run(body)) == Code::NotFound);
  body.server_id = 2;
  EXPECT(code_of(a.run(body)) == Code::NotFound);
}

TEST_CASE("there is room for so many servers and no more, while those that are there may repeat their join") {
  Applier a;
  a.run(first());
  model::JoinTokenPutCommand many = server_token();
  many.token.uses_left = 100;
  a.run(many);
  const auto node = [](std::size_t i) { return fmt::format("{:08}-0000-4000-8000-000000000000", 90000000 + i); };
  for (std::size_t i = 1; i < kServersMax; ++i) {
    EXPECT_EQ(a.run(server_admission(node(i), fmt::format("s-{}", i), "10.0.0.2:8300")).code, 0);
  }
  EXPECT(code_of(a.run(server_admission(node(99), "s-99", "10.0.0.2:8300"))) == Code::Precondition);
  EXPECT_EQ(a.run(server_admission(node(1), "s-1", "10.0.0.2:8300")).code, 0);
}

TEST_CASE("rows of identity other than roots, the cluster's and servers' stay on servers") {
  Applier a;
  a.run(first());
  a.run(token());
  a.run(admission(kOther, "host-b"));
  std::size_t kept = 0;
  for (const auto& rows : a.rows) {
    for (const raft::RowWrite& row : rows) {
      const bool shared = model::is_catalog_table(model::TableId(row.table));
      EXPECT_EQ(shared, row.table == model::kTableRoots.value() || row.table == model::kTableCluster.value() ||
                            row.table == model::kTableServers.value());
      kept += shared ? 0 : 1;
    }
  }
  EXPECT_GE(kept, 8);
}

TEST_CASE("the JSON of identity rows and commands shows no hash and no sealed key") {
  const std::string texts[] = {to_json(*first().management_token), to_json(*first().sealed_key), to_json(token().token),
                               to_json(model::make_command(first())), to_json(model::make_command(token())),
                               to_json(model::make_command(admission()))};
  for (const std::string& text : texts) {
    EXPECT_EQ(text.find("ecretHash"), std::string::npos);
    EXPECT_EQ(text.find("sealed-bytes"), std::string::npos);
    EXPECT_EQ(text.find("c2VhbGVk"), std::string::npos);  // the same in base64
  }
}

// Everything above in one run, for the two tests below.
void run_all(Applier& a) {
  a.run(first());
  a.run(token(3));
  a.run(admission(kOther, "host-b"));
  a.run(admission(kOther, "host-b"));
  model::RegisterCommand body = registration("host-b", "web");
  body.node.id = model::NodeId(std::string(kOther));
  a.run(body);
  a.run(issue("web", kOther, "07"), std::string(16, 'r'));
  a.run(issue("shop", kOther, "08"));
  a.run(revocation(kOther));
}

TEST_CASE("the same commands give the same rows and results on another server") {
  Applier one;
  run_all(one);
  StateMachine two;
  for (std::size_t i = 0; i < one.payloads.size(); ++i) {
    raft::ApplyResult applied = two.apply(raft::Index(i + 1), one.payloads[i]);
    REQUIRE_EQ(applied.rows.size(), one.rows[i].size());
    for (std::size_t r = 0; r < applied.rows.size(); ++r) {
      EXPECT_EQ(applied.rows[r].key, one.rows[i][r].key);
      EXPECT(applied.rows[r].value == one.rows[i][r].value);
    }
  }
  EXPECT_EQ(two.state().hash(), one.state().hash());
}

TEST_CASE("the state hash sees each of the new tables, and their rows make the state again") {
  Applier a;
  run_all(a);
  std::map<std::pair<std::uint32_t, Bytes>, Bytes> rows;
  for (const auto& change : a.rows) {
    for (const raft::RowWrite& row : change) {
      if (row.value) rows[{row.table, row.key}] = *row.value;
      else rows.erase({row.table, row.key});
    }
  }
  std::set<std::uint32_t> skipped;
  for (std::uint32_t without = 0; without <= model::kTableLeaves.value(); ++without) {
    StateMachine loaded;
    loaded.begin_load();
    for (const auto& [place, value] : rows) {
      if (place.first == without) skipped.insert(without);
      else REQUIRE(loaded.load({place.first, place.second, value}).ok());
    }
    REQUIRE(loaded.end_load(raft::Index(a.index)).ok());
    EXPECT_EQ(loaded.state().hash() == a.state().hash(), !skipped.contains(without));
  }
  for (const model::TableId table : {model::kTableRoots, model::kTableJoinTokens, model::kTableManagementTokens,
                                     model::kTableSealedKeys, model::kTableMembers, model::kTableLeaves}) {
    EXPECT(skipped.contains(table.value()));
  }
}

TEST_CASE("a row of identity under another row's key is refused") {
  const std::pair<model::TableId, Bytes> rows[] = {{model::kTableMembers, encode(admission().member)},
                                                   {model::kTableJoinTokens, encode(token().token)},
                                                   {model::kTableLeaves, encode(leaf(kNode))},
                                                   {model::kTableSealedKeys, encode(*first().sealed_key)},
                                                   {model::kTableManagementTokens, encode(*first().management_token)}};
  for (const auto& [table, value] : rows) {
    State state;
    EXPECT(outcome_of(state.change({table, "another", value}, 1)) == Code::Corrupt);
    EXPECT_EQ(state.hash(), 0);
  }
}

}  // namespace
}  // namespace mesh::server
