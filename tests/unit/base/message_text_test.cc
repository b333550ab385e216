// Messages from and to JSON and YAML: both go through one reader, so most cases are stated for JSON only.
#include "base/message_json.h"
#include "base/message_yaml.h"
#include "tests/test.h"

namespace mesh {
namespace {

#define MODE_VALUES(E) E(0, Off, "off") E(1, On, "on") E(2, Automatic, "automatic")
MESH_ENUM(Mode, std::uint8_t, MODE_VALUES)
MESH_ENUM_TABLE(Mode, MODE_VALUES)

#define WORDS_FIELDS(F) F(1, ListOf<std::string>, values, "Values", "", kBare)
struct Words {
  MESH_MESSAGE(Words, WORDS_FIELDS)
};
MESH_MESSAGE_TABLE(Words, WORDS_FIELDS)

#define PART_FIELDS(F)                              \
  F(1, std::string, name, "Name|PartID", "", kShorthand) \
  F(2, std::uint16_t, port, "ServicePort", "", kOmitEmpty)
struct Part {
  MESH_MESSAGE(Part, PART_FIELDS)
};
MESH_MESSAGE_TABLE(Part, PART_FIELDS)

#define THING_FIELDS(F)                                          \
  F(1, std::string, name, "Name", "")                            \
  F(2, Mode, mode, "Mode", "")                                   \
  F(3, Duration, interval, "CheckInterval", "")                  \
  F(4, ListOf<Part>, parts, "Parts", "")                         \
  F(5, MapOf<std::string>, meta, "Meta", "")                     \
  F(6, MapOf<Words>, header, "Header", "", kOmitEmpty)           \
  F(7, std::optional<Part>, extra, "Extra", "")                  \
  F(8, Bytes, value, "Value", "", kBytes | kEmptyNull)           \
  F(9, std::int32_t, offset, "Offset", "", kOmitEmpty)           \
  F(10, bool, enabled, "Enabled", "")                            \
  F(11, WallTime, seen, "Seen", "", kOmitEmpty)                  \
  F(12, double, ratio, "Ratio", "", kOmitEmpty)                  \
  F(13, std::string, secret, "Secret", "", kHidden)              \
  F(14, std::uint64_t, modify_index, "ModifyIndex", "", kOutput)
struct Thing {
  MESH_MESSAGE(Thing, THING_FIELDS)
};
MESH_MESSAGE_TABLE(Thing, THING_FIELDS)

Result<Thing> thing(std::string_view text, FromJsonOptions options = {}) {
  return from_json<Thing>(parse_json(text).value(), options);
}

std::string fault_of(std::string_view text, FromJsonOptions options = {}) {
  const Result<Thing> read = thing(text, options);
  return read.ok() ? "accepted" : read.error().message;
}

// The findings of a YAML text, a line each.
std::string yaml_faults(std::string_view text) {
  std::vector<YamlFinding> findings;
  const YamlNode node = parse_yaml(text, "f.yaml", findings);
  static_cast<void>(from_yaml<Thing>(node, "f.yaml", findings));
  return findings.empty() ? "" : findings_error(findings).message;
}

TEST_CASE("a message is written with the table's names and by its flags") {
  EXPECT_EQ(to_json(Thing{}),
            R"({"Name":"","Mode":"off","CheckInterval":"0s","Parts":[],"Meta":{},"Value":null,"Enabled":false,"ModifyIndex":0})");
  Thing full;
  full.mode = Mode::Automatic;
  full.interval = seconds(90);
  full.parts = {{.name = "a", .port = 1}};
  full.header = {{"x", {.values = {"1", "2"}}}};
  full.extra = Part{};
  full.value = "hi";
  full.offset = -1;
  full.secret = "s";
  EXPECT_EQ(to_json(full),
            R"({"Name":"","Mode":"automatic","CheckInterval":"1m30s","Parts":[{"Name":"a","ServicePort":1}],"Meta":{},)"
            R"("Header":{"x":["1","2"]},"Extra":{"Name":""},"Value":"aGk=","Offset":-1,"Enabled":false,"ModifyIndex":0})");
}

TEST_CASE("what is written is read back") {
  Thing full;
  full.name = "n";
  full.mode = Mode::On;
  full.interval = milliseconds(1500);
  full.parts = {{.name = "a", .port = 65535}, {}};
  full.meta = {{"Case_Kept", "v"}};
  full.header = {{"x", {.values = {"1"}}}};
  full.extra = Part{.name = "e", .port = 0};
  full.value = Bytes("\0\xff", 2);
  full.offset = -5;
  full.enabled = true;
  full.seen = WallTime(seconds(5));
  full.ratio = 0.25;
  EXPECT(thing(to_json(full)).value() == full);
}

TEST_CASE("names are read in any case, with and without underscores, and by their alternatives") {
  const Thing camel = thing(R"({"CheckInterval":"1s","Parts":[{"PartID":"a","ServicePort":2}]})").value();
  EXPECT(thing(R"({"check_interval":"1s","parts":[{"part_id":"a","service_port":2}]})").value() == camel);
  EXPECT(thing(R"({"CHECKINTERVAL":"1s","parts":[{"name":"a","servicePort":2}]})").value() == camel);
  EXPECT_EQ(camel.parts[0].name, "a");
}

TEST_CASE("null leaves a field alone, unknown, hidden and output names are ignored") {
  EXPECT(thing(R"({"Name":null,"Parts":null,"Nope":{},"Secret":"x","ModifyIndex":7})").value() == Thing{});
}

TEST_CASE("durations may be numbers of nanoseconds and messages may be their shorthand") {
  EXPECT(thing(R"({"CheckInterval":1000000000})").value().interval == seconds(1));
  EXPECT_EQ(thing(R"({"Parts":["db",{"Name":"web"}]})").value().parts[0].name, "db");
}

TEST_CASE("a wrong value is refused with its path, what it is and what is expected") {
  EXPECT_EQ(fault_of(R"({"CheckInterval":"soon"})"), "CheckInterval: text \"soon\" is not a duration such as 10s or 1m30s");
  EXPECT_EQ(fault_of(R"({"parts":[{},{"service_port":70000}]})"),
            "parts[1].service_port: number 70000 is not a whole number from 0 to 65535");
  EXPECT_EQ(fault_of(R"({"Offset":2147483648})"), "Offset: number 2147483648 is not a whole number from -2147483648 to 2147483647");
  EXPECT_EQ(fault_of(R"({"Mode":"maybe"})"), "Mode: text \"maybe\" is not off, on or automatic");
  EXPECT_EQ(fault_of(R"({"Name":7})"), "Name: number 7 is not text");
  EXPECT_EQ(fault_of(R"({"Meta":{"k":1}})"), "Meta.k: number 1 is not text");
  EXPECT_EQ(fault_of(R"({"Meta":{"k":null}})"), "Meta.k: nothing where text is expected");
  EXPECT_EQ(fault_of(R"({"Enabled":"yes"})"), "Enabled: text \"yes\" is not true or false");
  EXPECT_EQ(fault_of(R"({"Value":"%%"})"), "Value: text \"%%\" is not base64 text");
  EXPECT_EQ(fault_of(R"({"Parts":{}})"), "Parts: an object where a list is expected (put it in brackets: [...])");
  EXPECT_EQ(fault_of(R"({"Extra":7})"), "Extra: number 7 where named fields are expected");
  EXPECT_EQ(fault_of("[]"), "a list where named fields are expected");
}

TEST_CASE("several faults are told together, up to a limit") {
  EXPECT_EQ(fault_of(R"({"Name":1,"Enabled":1})"), "Name: number 1 is not text; Enabled: number 1 is not true or false");
  EXPECT(fault_of(R"({"Parts":[1,1,1,1,1,1,1]})").ends_with("; and 2 more"));
}

TEST_CASE("unknown names are refused on request, with the near miss") {
  EXPECT_EQ(fault_of(R"({"Nmae":"x"})", {.refuse_unknown = true}), "Nmae: unknown name (did you mean Name?)");
  EXPECT_EQ(fault_of(R"({"Secret":"x"})", {.refuse_unknown = true}), "Secret: unknown name");
}

TEST_CASE("YAML gives the same message as JSON") {
  std::vector<YamlFinding> findings;
  const YamlNode node = parse_yaml(
      "name: 1.10\nmode: on\ncheck_interval: 1m30s\nparts:\n  - db\n  - {name: web, service_port: 80}\n"
      "meta: {team: shop, n: 7}\nheader: {x: [a, 'b']}\nenabled: true\noffset: -3\nratio: 0.5\nextra:\n",
      "f.yaml", findings);
  const Thing read = from_yaml<Thing>(node, "f.yaml", findings);
  EXPECT(findings.empty());
  Thing wanted;
  wanted.name = "1.10";
  wanted.mode = Mode::On;
  wanted.interval = seconds(90);
  wanted.parts = {{.name = "db", .port = 0}, {.name = "web", .port = 80}};
  wanted.meta = {{"team", "shop"}, {"n", "7"}};
  wanted.header = {{"x", {.values = {"a", "b"}}}};
  wanted.enabled = true;
  wanted.offset = -3;
  wanted.ratio = 0.5;
  EXPECT(read == wanted);
}

TEST_CASE("all faults of a YAML text are collected with their places and hints") {
  EXPECT_EQ(yaml_faults("name: [a]\nchek_interval: 5s\ncheck_interval: 5\nparts:\n  - service_port: 99999\n    prot: x\n"
                        "  - \nenabled: \"true\"\nName: b\n"),
            "f.yaml:1:7: name: a list is not text\n"
            "f.yaml:2:1: chek_interval: unknown name (did you mean check_interval?)\n"
            "f.yaml:3:17: check_interval: \"5\" is not a duration such as 10s or 1m30s\n"
            "f.yaml:5:19: parts[0].service_port: \"99999\" is not a whole number from 0 to 65535\n"
            "f.yaml:6:5: parts[0].prot: unknown name\n"
            "f.yaml:8:1: parts[1]: nothing where an object is expected\n"
            "f.yaml:8:10: enabled: text \"true\" is not true or false\n"
            "f.yaml:9:1: Name: given twice, in two spellings");
}

TEST_CASE("faults over the limit are not collected") {
  std::string text = "parts:\n";
  for (int i = 0; i < 1000; ++i) text += "  - {nope: 1}\n";
  const std::string faults = yaml_faults(text);
  EXPECT_EQ(std::count(faults.begin(), faults.end(), '\n') + 1, 100);
}

}  // namespace
}  // namespace mesh
