#include "server/leaf_plan.h"

#include "model/spiffe.h"
#include "tests/test.h"

namespace mesh::server {
namespace {

constexpr std::string_view kNode = "11111111-0000-4000-8000-000000000000";
const WallTime kNow(seconds(1'800'000'000) + milliseconds(700));

struct World {
  model::Cluster cluster;
  model::CaRoot root;
  LeafSubject subject;
  Bytes random = Bytes(kSerialBytes, '\xff');

  World() {
    cluster.id = "c0000000-0000-4000-8000-000000000000";
    cluster.datacenter = "dc1";
    cluster.domain = "mesh";
    root.not_after = kNow + hours(24 * 365);
    subject.node_id = model::NodeId(std::string(kNode));
  }
  [[nodiscard]] LeafPlan plan() const { return plan_leaf(cluster, root, subject, random, kNow); }
};

TEST_CASE("a leaf lives seven days in whole seconds, is backdated, and ends with its root") {
  World w;
  EXPECT(w.plan().row.not_before == WallTime(seconds(1'800'000'000) - minutes(10)));
  EXPECT(w.plan().row.not_after == WallTime(seconds(1'800'000'000) + hours(7 * 24)));
  w.root.not_after = kNow + hours(1);
  EXPECT(w.plan().row.not_after == w.root.not_after);
}

TEST_CASE("a serial is positive and has no leading zero, whatever was drawn") {
  World w;
  for (const char first : {'\0', '\x7f', '\x80', '\xff'}) {
    w.random[0] = first;
    const LeafPlan plan = w.plan();
    EXPECT_EQ(plan.serial.size(), kSerialBytes);
    const auto byte = static_cast<unsigned char>(plan.serial[0]);
    EXPECT((byte >= 0x40 && byte < 0x80));
    EXPECT_EQ(plan.row.serial, to_hex(plan.serial));
  }
}

TEST_CASE("services have their name and their node's in the leaf, servers theirs, agents none; all have an identity") {
  World w;
  const std::string domain = "c0000000-0000-4000-8000-000000000000.mesh";
  EXPECT(w.plan().dns_names.empty());
  EXPECT_EQ(w.plan().row.uri, "spiffe://" + domain + "/agent/client/dc/dc1/id/" + std::string(kNode));
  w.subject.kind = model::JoinKind::Server;
  EXPECT_EQ(w.plan().dns_names, (std::vector<std::string>{"server.dc1." + domain}));
  EXPECT_EQ(w.plan().row.uri, "spiffe://" + domain + "/agent/server/dc/dc1/id/" + std::string(kNode));
  w.subject.service = "Web";
  EXPECT_EQ(w.plan().dns_names, (std::vector<std::string>{"web.dc1." + domain, std::string(kNode) + ".node.dc1." + domain}));
  EXPECT_EQ(model::node_in(w.plan().dns_names, {domain, "dc1"}), kNode);
  EXPECT_EQ(w.plan().row.uri, "spiffe://" + domain + "/ns/default/dc/dc1/svc/web");
  EXPECT_EQ(w.plan().row.service, "Web");
}

TEST_CASE("the root that signs is the active one") {
  model::CaRoot old, now;
  now.active = true;
  EXPECT(active_root({&old, &now}) == &now);
  EXPECT(active_root({&old}) == nullptr);
}

}  // namespace
}  // namespace mesh::server
