#include "server/ca_key.h"

#include <sys/stat.h>

#include "base/file.h"
#include "tests/test.h"

namespace mesh::server {
namespace {

TEST_CASE("a sealed key opens with the key file that sealed it, and with nothing else") {
  const CaKey key = CaKey::make(), other = CaKey::make();
  const model::SealedKey sealed = key.seal("root-1", "the key");
  EXPECT_EQ(key.open(sealed).value(), "the key");
  EXPECT_EQ(sealed.sealed.find("the key"), std::string::npos);
  EXPECT_NE(key.seal("root-1", "the key").sealed, sealed.sealed);  // another nonce
  EXPECT(outcome_of(other.open(sealed)) == Code::Corrupt);
  model::SealedKey changed = sealed;
  changed.root_id = "root-2";
  EXPECT(outcome_of(key.open(changed)) == Code::Corrupt);
  changed = sealed;
  changed.seal_version = 2;
  EXPECT(outcome_of(key.open(changed)) == Code::Unsupported);
  for (std::size_t i = 0; i < sealed.sealed.size(); ++i) {
    changed = sealed;
    changed.sealed[i] = static_cast<char>(changed.sealed[i] ^ 1);
    EXPECT(outcome_of(key.open(changed)) == Code::Corrupt);
    changed.sealed = sealed.sealed.substr(0, i);
    EXPECT(outcome_of(key.open(changed)) == Code::Corrupt);
  }
}

TEST_CASE("the key file is read as it was written, and only by its owner") {
  const TempDir dir = TempDir::make().value();
  EXPECT_FALSE(read_ca_key(dir.path())->has_value());
  const CaKey key = CaKey::make();
  REQUIRE(write_ca_key(dir.path(), key).ok());
  const auto read = read_ca_key(dir.path());
  REQUIRE(read.ok());
  EXPECT_EQ((*read)->open(key.seal("r", "x")).value(), "x");
  struct stat info{};
  REQUIRE_EQ(stat(dir.file("ca.key").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600);
}

TEST_CASE("a key file that makes no sense is refused") {
  const std::string text = CaKey::make().text();
  EXPECT(CaKey::parse(text).ok());
  for (const std::string& bad : {std::string(), std::string("\n"), std::string("meshd-ca-key-1"), text.substr(0, 30), text + "x",
                                 "meshd-ca-key-1 " + text, std::string(2000, 'a')}) {
    EXPECT(outcome_of(CaKey::parse(bad)) == Code::Corrupt);
  }
  EXPECT(outcome_of(CaKey::parse("meshd-ca-key-2 AAAA")) == Code::Unsupported);
}

}  // namespace
}  // namespace mesh::server
