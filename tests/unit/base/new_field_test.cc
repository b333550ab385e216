// A field is one line: `Later` is `Earlier` and one line more, and everything else follows from it.
#include "base/message_json.h"
#include "base/message_yaml.h"
#include "base/proto_text.h"
#include "tests/test.h"

namespace mesh {
namespace {

#define EARLIER_FIELDS(F) F(1, std::string, name, "Name", "what it is called")
#define LATER_FIELDS(F) \
  EARLIER_FIELDS(F)     \
  F(2, MapOf<std::uint32_t>, zone_weights, "ZoneWeights", "the added line")

struct Earlier {
  MESH_MESSAGE(Earlier, EARLIER_FIELDS)
};
struct Later {
  MESH_MESSAGE(Later, LATER_FIELDS)
};
MESH_MESSAGE_TABLE(Earlier, EARLIER_FIELDS)
MESH_MESSAGE_TABLE(Later, LATER_FIELDS)

Later sample() {
  Later later;
  later.name = "web";
  later.zone_weights = {{"a", 3}};
  return later;
}

TEST_CASE("one line gives a new field its member and a part in equality") {
  Later other = sample();
  other.zone_weights["a"] = 4;
  EXPECT(sample() == sample());
  EXPECT_FALSE(sample() == other);
}

TEST_CASE("one line gives a new field its JSON in both spellings") {
  EXPECT_EQ(to_json(sample()), R"({"Name":"web","ZoneWeights":{"a":3}})");
  EXPECT(from_json<Later>(parse_json(R"({"Name":"web","ZoneWeights":{"a":3}})").value()).value() == sample());
  EXPECT(from_json<Later>(parse_json(R"({"name":"web","zone_weights":{"a":3}})").value()).value() == sample());
}

TEST_CASE("one line gives a new field its YAML and the near miss of its name") {
  std::vector<YamlFinding> findings;
  EXPECT(from_yaml<Later>(parse_yaml("name: web\nzone_weights: {a: 3}\n", "f", findings), "f", findings) == sample());
  EXPECT(findings.empty());
  static_cast<void>(from_yaml<Later>(parse_yaml("zone_wieghts: {}\n", "f", findings), "f", findings));
  REQUIRE_EQ(findings.size(), 1);
  EXPECT_EQ(findings[0].to_string(), "f:1:1: zone_wieghts: unknown name (did you mean zone_weights?)");
}

TEST_CASE("one line gives a new field its wire form, and old and new readers understand each other") {
  EXPECT(decode<Later>(encode(sample())).value() == sample());
  EXPECT(decode<Earlier>(encode(sample())).value() == Earlier{.name = "web"});
  EXPECT(decode<Later>(encode(Earlier{.name = "web"})).value() == Later{.name = "web", .zone_weights = {}});
}

TEST_CASE("one line gives a new field its line in the .proto") {
  const MessageTable* tables[] = {&Later::table()};
  EXPECT_EQ(proto_text("mesh", tables),
            "syntax = \"proto3\";\n\npackage mesh;\n\nmessage Later {\n  string name = 1;  // what it is called\n"
            "  map<string, uint32> zone_weights = 2;  // the added line\n}\n");
}

}  // namespace
}  // namespace mesh
