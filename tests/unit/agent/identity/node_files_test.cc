#include "agent/identity/node_files.h"

#include <sys/stat.h>

#include <filesystem>

#include "agent/identity/service_file.h"
#include "base/file.h"
#include "tests/unit/agent/identity/authority.h"

namespace mesh::agent {
namespace {

struct Rig {
  TempDir folder = std::move(TempDir::make()).value();
  Authority authority;

  [[nodiscard]] NodeFiles joined() { return joined_node(folder.path(), authority); }
};

std::string why(const NodeFiles& files) {
  const auto node = files.read();
  return node.ok() ? std::string() : node.error().message;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST_CASE("a joined node reads back what was written") {
  Rig rig;
  const NodeFiles files = rig.joined();
  EXPECT(*files.state() == JoinState::Joined);
  const auto node = files.read();
  REQUIRE(node.ok());
  EXPECT(node->record == node_record());
  EXPECT_EQ(node->identity->leaf().uris[0], node_spiffe_id(node_record()).uri());
  EXPECT_EQ(node->trust->roots().size(), 1);
  struct stat key {};
  REQUIRE(stat(files.key_path().c_str(), &key) == 0);
  EXPECT_EQ(key.st_mode & 0777, 0600u);
  EXPECT_EQ(node->gossip_key, kGossipKey);
  REQUIRE(stat(files.gossip_key_path().c_str(), &key) == 0);
  EXPECT_EQ(key.st_mode & 0777, 0600u);
}

TEST_CASE("a gossip key that is missing, damaged or of a later release is refused with a remedy") {
  Rig rig;
  const NodeFiles files = rig.joined();
  const Bytes good = *read_private(files.gossip_key_path());
  for (const std::string& text : {std::string(), std::string("\n"), std::string("meshd-gossip-key-1"), std::string("meshd-gossip-key-1 "),
                                  "meshd-gossip-key-2" + good.substr(18), good.substr(0, good.size() - 4), good + good}) {
    REQUIRE(write_file_atomic(files.gossip_key_path(), text, {.mode = 0600}).ok());
    EXPECT(contains(why(files), files.gossip_key_path()));
    EXPECT(contains(why(files), "join again"));
  }
  REQUIRE(write_file_atomic(files.gossip_key_path(), good, {.mode = 0644}).ok());
  EXPECT(contains(why(files), "run 'chmod 600 " + files.gossip_key_path() + "'"));
  REQUIRE(remove_tree(files.gossip_key_path()).ok());
  EXPECT(contains(why(files), "is gone"));
}

TEST_CASE("what is not joined, or only begun, says what to do") {
  Rig rig;
  const NodeFiles files(rig.folder.path());
  EXPECT(*files.state() == JoinState::None);
  EXPECT(contains(why(files), "run 'meshctl join'"));
  REQUIRE(files.begin(node_record(), net::make_key_pem()).ok());
  EXPECT(*files.state() == JoinState::Begun);
  EXPECT(contains(why(files), "was not finished; run 'meshctl join' again"));
}

TEST_CASE("keys that others may read and folders that others may write are refused with a remedy") {
  Rig rig;
  const NodeFiles files = rig.joined();
  REQUIRE(chmod(files.key_path().c_str(), 0640) == 0);
  EXPECT(contains(why(files), "run 'chmod 600 " + files.key_path() + "'"));
  REQUIRE(chmod(files.key_path().c_str(), 0600) == 0);
  REQUIRE(chmod(rig.folder.path().c_str(), 0777) == 0);
  EXPECT(contains(why(files), "run 'chmod o-w " + rig.folder.path() + "'"));
}

TEST_CASE("parts that do not belong together are refused") {
  Rig rig;
  const NodeFiles files = rig.joined();
  SUBCASE("another key") {
    REQUIRE(write_file_atomic(files.key_path(), net::make_key_pem(), {.mode = 0600}).ok());
    EXPECT(contains(why(files), files.key_path()));
  }
  SUBCASE("the certificate of another node") {
    NodeRecord other = node_record();
    other.node_id = kClusterId;
    REQUIRE(files.write_certificate(rig.authority.sign_key(*files.read_key(), node_spiffe_id(other).uri())).ok());
    EXPECT(contains(why(files), "is the certificate of"));
  }
  SUBCASE("the record of another cluster") {
    NodeRecord other = node_record();
    other.cluster_id = kNodeUuid;
    REQUIRE(files.write_record(other).ok());
    EXPECT(contains(why(files), "is the certificate of"));
  }
  SUBCASE("a record of a later layout, or damaged") {
    NodeRecord other = node_record();
    other.version = 2;
    REQUIRE(files.write_record(other).ok());
    EXPECT_EQ(outcome_of(files.read()), Code::Unsupported);
    REQUIRE(write_file_atomic(files.record_path(), "{\"version\":1}").ok());
    EXPECT_EQ(outcome_of(files.read()), Code::Corrupt);
    REQUIRE(write_file_atomic(files.record_path(), "{").ok());
    EXPECT(contains(why(files), files.record_path()));
  }
  SUBCASE("a record that is a pipe, a folder, empty or huge, or rubbish") {
    REQUIRE(remove_tree(files.record_path()).ok());
    REQUIRE_EQ(::mkfifo(files.record_path().c_str(), 0600), 0);
    EXPECT(contains(why(files), files.record_path() + " is a pipe"));
    EXPECT(contains(why(files), "cluster remove NAME"));
    REQUIRE(remove_tree(files.record_path()).ok());
    REQUIRE(make_dirs(files.record_path()).ok());
    EXPECT(contains(why(files), files.record_path() + " is a folder"));
    REQUIRE(remove_tree(files.record_path()).ok());
    for (const std::string& text : {std::string(), std::string(300'000, ' '), std::string("\xff\x00{", 3), std::string("[]")}) {
      REQUIRE(write_file_atomic(files.record_path(), text).ok());
      EXPECT(contains(why(files), files.record_path()));
      EXPECT(contains(why(files), "restore it from a backup"));
      EXPECT(why(files).find('\n') == std::string::npos);
    }
    REQUIRE(write_file_atomic(files.data_dir() + "/server.json", "{}").ok());  // beside it: nobody is told to remove that
    EXPECT(contains(why(files), "holds a server's state: remove that only when"));
  }
  SUBCASE("a certificate or roots that are rubbish") {
    for (const std::string& path : {files.certificate_path(), files.roots_path()}) {
      const Bytes good = read_file(path, ByteCount{1 << 20}).value();
      REQUIRE(write_file_atomic(path, "-----BEGIN CERTIFICATE-----\nAAAA\n").ok());
      EXPECT(contains(why(files), path));
      EXPECT(contains(why(files), "restore it from a backup"));
      REQUIRE(write_file_atomic(path, good).ok());
    }
  }
  SUBCASE("a file that is gone") {
    REQUIRE(remove_tree(files.key_path()).ok());
    EXPECT(contains(why(files), "join again"));
  }
}

TEST_CASE("an expired certificate is read, since it can be renewed") {
  Rig rig;
  EXPECT(joined_node(rig.folder.path(), rig.authority, minutes(-5)).read().ok());
}

TEST_CASE("leaving removes every trace, and may be repeated") {
  Rig rig;
  const NodeFiles files = rig.joined();
  for (const char* folder : {"cache", "services", "certs"}) {
    REQUIRE(make_dirs(rig.folder.file(folder)).ok());
    REQUIRE(write_file_atomic(rig.folder.file(folder) + "/x", "x").ok());
  }
  REQUIRE(write_file_atomic(rig.folder.file("server.json"), "{}").ok());
  REQUIRE(files.remove_all().ok());
  EXPECT(*files.state() == JoinState::None);
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(rig.folder.path())) left.push_back(entry.path().filename());
  EXPECT(left == std::vector<std::string>{"server.json"});
  EXPECT(files.remove_all().ok());
}

struct ServiceFileRig : Rig {
  IdentityFile file{.path = folder.file("certs/web.pem"), .uri = service_uri(node_record(), "web"), .with_key = true};
  std::shared_ptr<const net::TrustBundle> trust = *net::TrustBundle::from_pem({authority.root().certificate});

  NewIdentity made(const std::string& uri, Duration life = hours(7 * 24)) {
    NewIdentity out;
    out.key_pem = net::make_key_pem();
    out.chain_pem = authority.sign_key(out.key_pem, uri, life);
    out.root_pems = {authority.root().certificate};
    return out;
  }
};

TEST_CASE("a service's file holds key and chain, private, and is read back") {
  ServiceFileRig rig;
  const auto written = write_identity(rig.file, rig.made(rig.file.uri));
  REQUIRE(written.ok());
  EXPECT(check_private(rig.file.path).ok());
  const auto again = read_identity(rig.file, *rig.trust, wall_now());
  REQUIRE(again.ok());
  EXPECT((*again)->leaf() == (*written)->leaf());
}

TEST_CASE("a certificate of another name, key or authority is not written") {
  ServiceFileRig rig;
  EXPECT(!write_identity(rig.file, rig.made(service_uri(node_record(), "db"))).ok());
  NewIdentity other_key = rig.made(rig.file.uri);
  other_key.key_pem = net::make_key_pem();
  EXPECT(!write_identity(rig.file, other_key).ok());
  NewIdentity other_root = rig.made(rig.file.uri);
  other_root.root_pems = {Authority().root().certificate};
  EXPECT(!write_identity(rig.file, other_root).ok());
  EXPECT_EQ(outcome_of(read_identity(rig.file, *rig.trust, wall_now())), Code::NotFound);
}

TEST_CASE("a service's file that is expired, readable by others, of an authority that is gone, or damaged is not used") {
  ServiceFileRig rig;
  REQUIRE(write_identity(rig.file, rig.made(rig.file.uri)).ok());
  EXPECT(!read_identity(rig.file, *rig.trust, wall_now() + hours(8 * 24)).ok());
  EXPECT(!read_identity(rig.file, **net::TrustBundle::from_pem({Authority().root().certificate}), wall_now()).ok());
  REQUIRE(chmod(rig.file.path.c_str(), 0644) == 0);
  EXPECT_EQ(outcome_of(read_identity(rig.file, *rig.trust, wall_now())), Code::Precondition);
  REQUIRE(write_file_atomic(rig.file.path, "garbage", {.mode = 0600}).ok());
  EXPECT_EQ(outcome_of(read_identity(rig.file, *rig.trust, wall_now())), Code::Corrupt);
}

}  // namespace
}  // namespace mesh::agent
