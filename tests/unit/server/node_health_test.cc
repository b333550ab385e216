#include "server/node_health.h"

#include "server/validate.h"
#include "tests/unit/server/command_maker.h"

namespace mesh::server {
namespace {

using gossip::MemberEventKind;
using gossip::MemberState;
using model::CheckStatus;

constexpr std::string_view kToken = "70000000-0000-4000-8000-000000000000";
constexpr std::string_view kServer = "00000000-0000-4000-8000-000000000001";

std::string node_id(int n) { return fmt::format("10000000-0000-4000-8000-{:012}", n); }

gossip::MemberEvent event(const std::string& id, MemberState state, MemberEventKind kind = MemberEventKind::Changed) {
  gossip::MemberEvent out;
  out.kind = kind;
  out.member.id = Uuid::parse(id).value();
  out.member.state = state;
  return out;
}

// A cluster with its server and joined nodes that all gossip, under a leader that has been there for an hour.
struct Pool {
  Applier state;
  NodeHealth health{{}, std::string(kServer)};
  MonoTime now{hours(1)};

  explicit Pool(int nodes) {
    model::JoinTokenPutCommand token;
    token.token.id = kToken;
    token.token.secret_hash = Bytes(kHashBytes, 's');
    token.token.services = {"*"};
    token.token.uses_left = 1000;
    token.token.expires_at = WallTime(seconds(5000));
    REQUIRE_EQ(state.run(token).code, 0);
    add(std::string(kServer), "server");
    for (int n = 1; n <= nodes; ++n) add(node_id(n), fmt::format("host-{}", n));
    health.gossip_started(MonoTime(minutes(1)));
    health.lead();
    for (int n = 1; n <= nodes; ++n) health.on_member(event(node_id(n), MemberState::Alive, MemberEventKind::Joined));
  }

  void add(const std::string& id, const std::string& name) {
    model::AdmitCommand admission;
    admission.token_id = kToken;
    admission.secret_hash = Bytes(kHashBytes, 's');
    admission.member.node_id = model::NodeId(id);
    admission.member.name = name;
    admission.member.key_hash = Bytes(kHashBytes, 'k');
    admission.leaf.node_id = admission.member.node_id;
    admission.leaf.serial = name;
    admission.leaf.not_after = WallTime(seconds(9000));
    REQUIRE_EQ(state.run(admission).code, 0);
    model::RegisterCommand node;
    node.node.id = model::NodeId(id);
    node.node.name = name;
    REQUIRE_EQ(state.run(node).code, 0);
  }
  void fail(int n) { health.on_member(event(node_id(n), MemberState::Failed, MemberEventKind::Failed)); }

  // What is to be written, and written.
  std::size_t settle() {
    model::NodeHealthCommand command;
    command.verdicts = health.decide(now, state.state());
    const std::size_t count = command.verdicts.size();
    const model::Command made = model::make_command(std::move(command));
    REQUIRE(validate(made).ok());
    REQUIRE_EQ(state.run(made).code, 0);
    EXPECT(health.decide(now, state.state()).empty());
    return count;
  }
  [[nodiscard]] const model::Check* check(const std::string& id) const { return state.catalog().check(id, model::kSerfHealth); }
  [[nodiscard]] std::string status(const std::string& id) const {
    return check(id) == nullptr ? "none" : std::string(enum_text(check(id)->status));
  }
  [[nodiscard]] std::string status(int n) const { return status(node_id(n)); }
};

TEST_CASE("every node that joined gets Consul's serfHealth, those put there by hand get none") {
  Pool pool(2);
  pool.state.run(registration("by-hand", "db"));
  EXPECT_EQ(pool.settle(), 3);
  EXPECT_EQ(pool.status(std::string(kServer)), "passing");
  const model::Check* check = pool.check(node_id(1));
  REQUIRE(check != nullptr);
  EXPECT_EQ(check->check_id, "serfHealth");
  EXPECT_EQ(check->name, "Serf Health Status");
  EXPECT_EQ(check->output, "Agent alive and reachable");
  EXPECT(check->status == CheckStatus::Passing);
  EXPECT(check->service_id.empty());
  EXPECT(pool.check(pool.state.catalog().node_by_name("by-hand")->id.text()) == nullptr);
  EXPECT_EQ(pool.settle(), 0);
}

TEST_CASE("failed and left are critical, each in its words; who comes back passes at once") {
  Pool pool(3);
  pool.settle();
  pool.fail(1);
  pool.health.on_member(event(node_id(2), MemberState::Left, MemberEventKind::Left));
  EXPECT_EQ(pool.settle(), 2);
  EXPECT_EQ(pool.check(node_id(1))->output, "Agent not live or unreachable");
  EXPECT_EQ(pool.check(node_id(2))->output, "Agent was stopped");
  EXPECT_EQ(pool.status(1) + pool.status(2) + pool.status(3), "criticalcriticalpassing");
  pool.health.on_member(event(node_id(1), MemberState::Alive, MemberEventKind::Recovered));
  pool.health.on_member(event(node_id(2), MemberState::Alive, MemberEventKind::Joined));
  EXPECT_EQ(pool.settle(), 2);
  EXPECT_EQ(pool.status(1) + pool.status(2), "passingpassing");
}

TEST_CASE("a suspect is well, and so is this server whatever is said of it") {
  Pool pool(1);
  pool.health.on_member(event(node_id(1), MemberState::Suspect));
  pool.health.on_member(event(std::string(kServer), MemberState::Failed, MemberEventKind::Failed));
  pool.settle();
  EXPECT_EQ(pool.status(1) + pool.status(std::string(kServer)), "passingpassing");
}

TEST_CASE("without gossip nothing is decided, and just after its start nobody counts as failed") {
  Pool pool(2);
  NodeHealth fresh({}, std::string(kServer));
  fresh.lead();
  EXPECT(fresh.decide(pool.now, pool.state.state()).empty());
  EXPECT(fresh.next_deadline() == kNever);
  fresh.gossip_started(pool.now);
  fresh.on_member(event(node_id(1), MemberState::Failed, MemberEventKind::Failed));
  fresh.on_member(event(node_id(2), MemberState::Alive, MemberEventKind::Joined));
  EXPECT_EQ(fresh.decide(pool.now, pool.state.state()).size(), 2);  // the server and host-2 pass
  EXPECT(fresh.next_deadline() == pool.now + seconds(5));
  EXPECT_EQ(fresh.decide(pool.now + seconds(5), pool.state.state()).size(), 3);
}

TEST_CASE("who is not known to gossip gets time, from each new leader anew") {
  Pool pool(1);
  pool.settle();
  pool.add(node_id(9), "late");
  EXPECT_EQ(pool.settle(), 0);
  EXPECT(pool.health.next_deadline() == pool.now + seconds(30));
  pool.now += seconds(29);
  pool.health.lead();
  EXPECT_EQ(pool.settle(), 0);
  pool.now += seconds(29);
  EXPECT_EQ(pool.settle(), 0);
  EXPECT_EQ(pool.status(9), "none");
  pool.now += seconds(1);
  EXPECT_EQ(pool.settle(), 1);
  EXPECT_EQ(pool.status(9), "critical");
  pool.health.on_member(event(node_id(9), MemberState::Alive, MemberEventKind::Joined));
  EXPECT_EQ(pool.settle(), 1);
  EXPECT_EQ(pool.status(9), "passing");
}

TEST_CASE("a member that gossip has forgotten stays as it was") {
  Pool pool(1);
  pool.fail(1);
  pool.settle();
  pool.health.on_member(event(node_id(1), MemberState::Failed, MemberEventKind::Forgotten));
  EXPECT_EQ(pool.settle(), 0);
  pool.now += hours(1);
  EXPECT_EQ(pool.settle(), 0);
  EXPECT_EQ(pool.status(1), "critical");
}

TEST_CASE("when most of the pool seems gone the leader doubts itself: failures wait, recoveries do not") {
  Pool pool(5);
  pool.settle();
  for (int n = 1; n <= 4; ++n) pool.fail(n);
  EXPECT_EQ(pool.settle(), 0);
  EXPECT(pool.health.doubting());
  EXPECT(pool.health.next_deadline() == pool.now + seconds(30));
  SUBCASE("they come back: nothing was written") {
    for (int n = 1; n <= 4; ++n) pool.health.on_member(event(node_id(n), MemberState::Alive, MemberEventKind::Recovered));
    EXPECT_EQ(pool.settle(), 0);
    EXPECT_FALSE(pool.health.doubting());
  }
  SUBCASE("they stay away: it was true") {
    pool.now += seconds(30);
    EXPECT_EQ(pool.settle(), 4);
  }
  SUBCASE("half of it is back: the rest counts at once") {
    pool.health.on_member(event(node_id(1), MemberState::Alive, MemberEventKind::Recovered));
    EXPECT_EQ(pool.settle(), 3);
  }
}

TEST_CASE("in a small pool two failures are no reason for doubt") {
  Pool pool(2);
  pool.settle();
  pool.fail(1);
  pool.fail(2);
  EXPECT_EQ(pool.settle(), 2);
}

TEST_CASE("what somebody else wrote to serfHealth, or removed, is put right") {
  Pool pool(1);
  pool.settle();
  model::CheckUpdateCommand update;
  update.node = node_id(1);
  update.check_id = std::string(model::kSerfHealth);
  update.status = CheckStatus::Critical;
  pool.state.run(update);
  EXPECT_EQ(pool.settle(), 1);
  EXPECT_EQ(pool.status(1), "passing");
  model::DeregisterCommand removal;
  removal.node = node_id(1);
  removal.check_id = std::string(model::kSerfHealth);
  pool.state.run(removal);
  EXPECT_EQ(pool.settle(), 1);
}

TEST_CASE("more verdicts than fit one command go in several") {
  Pool pool(static_cast<int>(kVerdictsMax) + 9);
  EXPECT_EQ(pool.health.decide(pool.now, pool.state.state()).size(), kVerdictsMax);
}

TEST_CASE("a verdict on a node that is gone, revoked or no member changes nothing") {
  Pool pool(2);
  pool.state.run(registration("by-hand", "db"));
  const std::string by_hand = pool.state.catalog().node_by_name("by-hand")->id.text();
  model::MemberRevokeCommand revocation;
  revocation.node_id = model::NodeId(node_id(1));
  REQUIRE_EQ(pool.state.run(revocation).code, 0);
  model::DeregisterCommand removal;
  removal.node = node_id(2);
  REQUIRE_EQ(pool.state.run(removal).code, 0);
  const auto before = pool.state.catalog().hash();
  model::NodeHealthCommand command;
  for (const std::string& id : {node_id(1), node_id(2), node_id(77), by_hand}) {
    model::NodeVerdict verdict;
    verdict.node_id = model::NodeId(id);
    verdict.status = CheckStatus::Critical;
    command.verdicts.push_back(verdict);
  }
  EXPECT_EQ(pool.state.run(command).code, 0);
  EXPECT_EQ(pool.state.catalog().hash(), before);
}

TEST_CASE("a command of verdicts is refused if it is too large or names no node") {
  model::NodeHealthCommand command;
  command.verdicts.resize(1);
  EXPECT(outcome_of(validate(model::make_command(command))) == Code::Invalid);
  command.verdicts[0].node_id = model::NodeId(node_id(1));
  EXPECT(validate(model::make_command(command)).ok());
  command.verdicts[0].output = std::string(kVerdictOutputMax + 1, 'x');
  EXPECT_FALSE(validate(model::make_command(command)).ok());
  command.verdicts[0].output.clear();
  command.verdicts.resize(kVerdictsMax + 1, command.verdicts[0]);
  EXPECT_FALSE(validate(model::make_command(command)).ok());
}

}  // namespace
}  // namespace mesh::server
