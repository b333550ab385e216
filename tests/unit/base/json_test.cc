#include "base/json.h"

#include "tests/test.h"

namespace mesh {
namespace {

std::string round_trip(std::string_view text) {
  std::string out;
  JsonWriter writer(out);
  write_json(writer, parse_json(text).value());
  return out;
}

std::string fault_of(std::string_view text, const JsonLimits& limits = {}) {
  const Result<JsonValue> parsed = parse_json(text, limits);
  return parsed.ok() ? "accepted" : parsed.error().message;
}

TEST_CASE("JSON read and written again is the same but for white space") {
  const std::string_view text = R"({"a":[1,-2,0.5,true,false,null,"x\u0000\"\\\n"],"b":{},"c":[],"d":18446744073709551615})";
  EXPECT_EQ(round_trip(text), text);
  EXPECT_EQ(round_trip(" [ 1 , { } ] \n"), "[1,{}]");
  EXPECT_EQ(round_trip("\"\\u00e4\\ud83d\\ude00\""), "\"\xc3\xa4\xf0\x9f\x98\x80\"");
  EXPECT_EQ(round_trip("\"<a&b>\""), R"("\u003ca\u0026b\u003e")");
}

TEST_CASE("of names that come twice the last wins") {
  EXPECT_EQ(round_trip(R"({"a":1,"b":2,"a":3,"c":4,"b":5})"), R"({"a":3,"c":4,"b":5})");
}

TEST_CASE("numbers keep their type and whole doubles count as integers") {
  const auto value = [](std::string_view text) { return parse_json(text).value(); };
  EXPECT(value("8080").integer() == 8080);
  EXPECT(value("8080.0").unsigned_integer() == 8080U);
  EXPECT_FALSE(value("0.5").integer().has_value());
  EXPECT_FALSE(value("-1").unsigned_integer().has_value());
  EXPECT_FALSE(value("1e19").integer().has_value());
  EXPECT_FALSE(value("18446744073709551615").integer().has_value());
  EXPECT_FALSE(value("\"1\"").integer().has_value());
}

TEST_CASE("numbers of many digits are converted exactly") {
  const std::string zeros = "0." + std::string(800, '0') + "e-5";
  EXPECT(parse_json(zeros).value().real() == 0.0);
  EXPECT(parse_json("0.1" + std::string(800, '0')).value().real() == 0.1);
  EXPECT(parse_json("123456789012345678901234567890").value().real() == 123456789012345678901234567890.0);
  EXPECT(parse_json("-9223372036854775808").value().integer() == INT64_MIN);
  EXPECT_EQ(round_trip("[-0.0,-0]"), "[-0.0,0]");
  EXPECT_EQ(fault_of("[1e999]"), "JSON line 1 column 2: Number too big to be stored in double.");
  EXPECT_EQ(fault_of("[1e-999]"), "JSON line 1 column 2: number out of range");
}

TEST_CASE("faults are refused with their place") {
  EXPECT_EQ(fault_of("{\n  \"a\": x}"), "JSON line 2 column 8: Invalid value.");
  for (const std::string_view bad :
       {"", "[1,]", "{\"a\"}", "[1] 2", "01", "// c\n1", "\"\\ud800\"", "\"\xff\"", "\"\xc0\x80\"", "nan", "1e999", "'a'"}) {
    CAPTURE(bad);
    EXPECT_NE(fault_of(bad), "accepted");
  }
  EXPECT_NE(fault_of(std::string_view("1\0 2", 4)), "accepted");
  EXPECT_NE(fault_of(std::string_view("\"\0\"", 3)), "accepted");
}

TEST_CASE("text over the size or depth limit is refused and deep text does not use the stack") {
  EXPECT_EQ(fault_of("[1,2]", {.size_max = 4}), "JSON of 5 bytes is over the limit of 4");
  EXPECT_EQ(fault_of("[[[]]]", {.depth_max = 3}), "accepted");
  EXPECT_EQ(fault_of("[[[[]]]]", {.depth_max = 3}), "JSON line 1 column 4: nested over 3 deep");
  EXPECT_NE(fault_of(std::string(1'000'000, '[')), "accepted");
}

TEST_CASE("the writer replaces what is not UTF-8 and can write pretty") {
  std::string out;
  JsonWriter writer(out, {.pretty = true});
  writer.begin_object();
  writer.key("a");
  writer.string("x\xffy");
  writer.key("b");
  writer.begin_list();
  writer.integer(-1);
  writer.real(1e300);
  writer.end_list();
  writer.key("c");
  writer.begin_list();
  writer.end_list();
  writer.end_object();
  EXPECT_EQ(out, "{\n    \"a\": \"x\xef\xbf\xbdy\",\n    \"b\": [\n        -1,\n        1e+300\n    ],\n    \"c\": []\n}");
}

}  // namespace
}  // namespace mesh
