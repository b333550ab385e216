#include "server/join_cluster.h"

#include <sys/stat.h>

#include <filesystem>

#include "base/file.h"
#include "server/ca_key.h"
#include "server/create_cluster.h"
#include "server/server_folder.h"
#include "tests/test.h"

namespace mesh::server {
namespace {

constexpr const char* kCluster = "c0000000-0000-4000-8000-000000000000";
constexpr const char* kNode = "11111111-0000-4000-8000-000000000000";

struct Host {
  TempDir dir = TempDir::make().value();
  std::string folder = dir.file("data");
  std::string key = CaKey::make().text();

  [[nodiscard]] static ServerIdentity identity(std::uint64_t server_id = 2) {
    ServerIdentity out;
    out.version = kIdentityVersion;
    out.cluster_id = kCluster;
    out.server_id = server_id;
    out.datacenter = "dc1";
    out.node_id = kNode;
    return out;
  }
  [[nodiscard]] Status join() const { return join_cluster(folder, identity(), key); }
  [[nodiscard]] bool has(const std::string& name) const { return std::filesystem::exists(folder + "/" + name); }
};

TEST_CASE("a host that joins is a server with the cluster's key, which nobody else may read") {
  const Host host;
  REQUIRE(host.join().ok());
  EXPECT(read_identity(host.folder).value() == Host::identity());
  EXPECT_EQ(read_ca_key(host.folder)->value().text(), host.key);
  struct stat found {};
  REQUIRE_EQ(stat((host.folder + "/ca.key").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600);
  EXPECT_FALSE(host.has("creating"));
  EXPECT_FALSE(host.has("init.command"));
}

TEST_CASE("a join whose end was lost is repeated; what an interrupted attempt left is cleared") {
  const Host host;
  REQUIRE(make_dirs(host.folder + "/raft").ok());
  REQUIRE(write_file_atomic(host.folder + "/raft/segment", "x").ok());
  REQUIRE(write_file_atomic(host.folder + "/init.command", "x").ok());
  REQUIRE(write_file_atomic(host.folder + "/creating", "x").ok());
  EXPECT(check_can_join(host.folder, kCluster, kNode).ok());
  REQUIRE(host.join().ok());
  EXPECT_FALSE(host.has("raft/segment"));
  EXPECT(host.has("raft/control"));
  EXPECT_FALSE(host.has("init.command"));
  EXPECT(check_can_join(host.folder, kCluster, kNode).ok());
  EXPECT(host.join().ok());
}

TEST_CASE("a server of another cluster, or another server of this one, is refused in one line and keeps what it has") {
  const Host host;
  REQUIRE(host.join().ok());
  ServerIdentity other = Host::identity(3);
  SUBCASE("another number") {}
  SUBCASE("another cluster") { other.cluster_id = "c1111111-0000-4000-8000-000000000000"; }
  const Status refused = join_cluster(host.folder, other, CaKey::make().text());
  REQUIRE_FALSE(refused.ok());
  EXPECT(outcome_of(refused) == Code::Conflict);
  EXPECT(error_text(refused).find("'meshctl leave' first") != std::string::npos);
  EXPECT(read_identity(host.folder).value() == Host::identity());
  EXPECT_EQ(read_ca_key(host.folder)->value().text(), host.key);
  EXPECT(outcome_of(check_can_join(host.folder, "c1111111-0000-4000-8000-000000000000", kNode)) == Code::Conflict);
}

TEST_CASE("a Raft log that no attempt of ours left is not cleared") {
  const Host host;
  REQUIRE(make_dirs(host.folder + "/raft").ok());
  REQUIRE(write_file_atomic(host.folder + "/raft/segment", "x").ok());
  EXPECT(outcome_of(check_can_join(host.folder, kCluster, kNode)) == Code::Conflict);
  EXPECT(outcome_of(host.join()) == Code::Conflict);
  EXPECT(host.has("raft/segment"));
}

TEST_CASE("an answer that makes no server is refused before anything is written") {
  const Host host;
  EXPECT(outcome_of(join_cluster(host.folder, Host::identity(0), host.key)) == Code::Invalid);
  EXPECT(outcome_of(join_cluster(host.folder, Host::identity(), "no key")) == Code::Corrupt);
  EXPECT_FALSE(host.has(""));
}

TEST_CASE("nothing is left of a server that was removed, and the directory may become one again") {
  const Host host;
  REQUIRE(host.join().ok());
  REQUIRE(make_dirs(host.folder + "/raft").ok());
  REQUIRE(make_dirs(host.folder + "/tables").ok());
  REQUIRE(write_file_atomic(host.folder + "/tables/x", "x").ok());
  SUBCASE("a joined one") {}
  SUBCASE("one whose removal was interrupted") {
    REQUIRE(remove_tree(host.folder + "/server.json").ok());
    REQUIRE(write_file_atomic(host.folder + "/creating", "x").ok());
  }
  REQUIRE(remove_server(host.folder).ok());
  EXPECT(std::filesystem::is_empty(host.folder));
  EXPECT(host.join().ok());
}

TEST_CASE("a server that runs is not removed") {
  const Host host;
  REQUIRE(host.join().ok());
  const auto lock = FileLock::acquire(host.folder + "/server.lock");
  REQUIRE(lock.ok());
  EXPECT(outcome_of(remove_server(host.folder)) == Code::Conflict);
  EXPECT(read_identity(host.folder).ok());
}

}  // namespace
}  // namespace mesh::server
