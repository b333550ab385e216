// The other rows of the catalog: their JSON is what Consul's clients read.
#include "base/message_json.h"
#include "model/authority.h"
#include "model/check.h"
#include "model/intention.h"
#include "model/kv.h"
#include "model/name.h"
#include "model/names.h"
#include "model/node.h"
#include "model/token.h"
#include "tests/test.h"

namespace mesh::model {
namespace {

TEST_CASE("a node is written as Consul's catalog node") {
  const Node node{.id = NodeId("u"), .name = "host-a", .address = "10.0.0.11", .datacenter = "dc1", .tagged_addresses = {{"lan", "10.0.0.11"}}};
  EXPECT_EQ(to_json(node),
            R"({"ID":"u","Node":"host-a","Address":"10.0.0.11","Datacenter":"dc1","TaggedAddresses":{"lan":"10.0.0.11"},)"
            R"("Meta":{},"CreateIndex":0,"ModifyIndex":0})");
}

TEST_CASE("a check is written as Consul's HealthCheck") {
  Check check{.node_id = NodeId("n"), .check_id = "service:web", .name = "web", .status = CheckStatus::Passing};
  check.definition.http = "http://x/";
  check.definition.header = {{"x-a", {.values = {"1"}}}};
  EXPECT_EQ(to_json(check),
            R"({"CheckID":"service:web","Name":"web","Status":"passing","Notes":"","Output":"","ServiceID":"",)"
            R"("ServiceName":"","Type":"","Definition":{"HTTP":"http://x/","Header":{"x-a":["1"]}},)"
            R"("CreateIndex":0,"ModifyIndex":0})");
  EXPECT(decode<Check>(encode(check)).value() == check);
}

TEST_CASE("the status of several checks is their minimum and starts critical") {
  EXPECT(std::min(CheckStatus::Passing, CheckStatus::Critical) == CheckStatus::Critical);
  EXPECT(CheckStatus{} == CheckStatus::Critical);
}

TEST_CASE("a key's value is base64 and null when empty") {
  KvEntry entry{.key = "a/b", .value = "hi", .flags = 7};
  EXPECT_EQ(to_json(entry),
            R"({"Key":"a/b","Value":"aGk=","Flags":7,"LockIndex":0,"CreateIndex":0,"ModifyIndex":0})");
  entry.value.clear();
  EXPECT(to_json(entry).find(R"("Value":null)") != std::string::npos);
}

TEST_CASE("intentions have Consul's precedence and keep permissions") {
  EXPECT_EQ(intention_precedence("web", "db"), 9);
  EXPECT_EQ(intention_precedence("*", "db"), 8);
  EXPECT_EQ(intention_precedence("web", "*"), 6);
  EXPECT_EQ(intention_precedence("*", "*"), 5);
  const Intention read = from_json<Intention>(parse_json(R"({"SourceName":"web","DestinationName":"db","Permissions":[
    {"Action":"allow","HTTP":{"PathPrefix":"/v1","Methods":["GET"],"Header":[{"Name":"x","Present":true}]}}],
    "Precedence":77})").value()).value();
  EXPECT(read.permissions[0].action == IntentionAction::Allow);
  EXPECT(read.permissions[0].http.header[0].present);
  EXPECT_EQ(read.precedence, 0);
  EXPECT(read.action == IntentionAction::Deny);
}

TEST_CASE("no JSON shows the hash of a secret or a sealed key") {
  const JoinToken join{.id = "t", .secret_hash = "hash"};
  const ManagementToken management{.id = "m", .secret_hash = "hash"};
  const SealedKey key{.root_id = "r", .sealed = "hash"};
  EXPECT(to_json(join).find("ash") == std::string::npos);
  EXPECT(to_json(management).find("ash") == std::string::npos);
  EXPECT_EQ(to_json(key), R"({"CreateIndex":0,"ModifyIndex":0})");
}

TEST_CASE("a join token's patterns allow names with or without a tail") {
  EXPECT(service_allowed({"web"}, "Web"));
  EXPECT_FALSE(service_allowed({"web"}, "web2"));
  EXPECT(service_allowed({"db", "web-*"}, "web-7"));
  EXPECT_FALSE(service_allowed({"web-*"}, "web"));
  EXPECT(service_allowed({"*"}, "anything"));
  EXPECT_FALSE(service_allowed({}, "web"));
}

TEST_CASE("names of DNS labels get mesh names, others live in the catalog, some are refused") {
  EXPECT(is_mesh_name("Web-1"));
  EXPECT(is_mesh_name(std::string(63, 'a')));
  for (const std::string_view name : {"web_1", "-web", "web-", "a.b", "", "Service", "ingress"}) {
    CAPTURE(name);
    EXPECT_FALSE(is_mesh_name(name));
  }
  EXPECT_FALSE(is_mesh_name(std::string(64, 'a')));
  EXPECT_EQ(name_fault("web_1"), "");
  EXPECT_EQ(name_fault(std::string(256, 'a')), "is over 255 bytes");
  EXPECT_EQ(name_fault("a\nb"), "holds a control character");
  EXPECT_EQ(name_fault("\xff"), "is not UTF-8");
  EXPECT_EQ(name_fault("*"), "is the wildcard *");
  EXPECT_EQ(name_fault(".."), "is a step in a path");
}

TEST_CASE("names are compared and ordered without case") {
  EXPECT(same_name("Web", "wEB"));
  EXPECT_FALSE(same_name("web", "web1"));
  EXPECT_EQ(fold_name("WEB-\xc3\x84"), "web-\xc3\x84");
  EXPECT(NameLess{}("A", "b"));
  EXPECT_FALSE(NameLess{}("B", "a"));
  EXPECT_FALSE(NameLess{}("a", "A"));
}

}  // namespace
}  // namespace mesh::model
