#include "base/yaml.h"

#include "tests/test.h"

namespace mesh {
namespace {

std::string faults_of(std::string_view text, const YamlLimits& limits = {}) {
  std::vector<YamlFinding> findings;
  static_cast<void>(parse_yaml(text, "f.yaml", findings, limits));
  return findings.empty() ? "" : findings_error(findings).message;
}

YamlNode good(std::string_view text) {
  std::vector<YamlFinding> findings;
  YamlNode node = parse_yaml(text, "f.yaml", findings);
  EXPECT(findings.empty());
  return node;
}

TEST_CASE("a tree keeps order, types and places") {
  const YamlNode root = good("# comment\nb: 1\na:\n  - x\n  - 'true'\n  - true\n  - ~\nc: |\n  two\n  lines\n");
  REQUIRE_EQ(root.entries.size(), 3);
  EXPECT_EQ(root.entries[0].name, "b");
  EXPECT(root.entries[0].value.integer() == 1);
  EXPECT_EQ(root.entries[0].value.mark.line, 2);
  EXPECT_EQ(root.entries[0].value.mark.column, 4);
  const YamlNode* list = root.find("a");
  REQUIRE(list != nullptr);
  REQUIRE_EQ(list->items.size(), 4);
  EXPECT_FALSE(list->items[1].boolean().has_value());
  EXPECT(list->items[2].boolean() == true);
  EXPECT(list->items[3].kind == YamlNode::Kind::Null);
  EXPECT_EQ(root.find("c")->scalar, "two\nlines\n");
  EXPECT(root.find("d") == nullptr);
}

TEST_CASE("an empty text is nothing and not a fault") {
  EXPECT(good("").kind == YamlNode::Kind::Null);
  EXPECT(good("# only a comment\n").kind == YamlNode::Kind::Null);
}

TEST_CASE("words that are booleans elsewhere are text") {
  for (const std::string_view word : {"yes", "no", "on", "off", "y"}) EXPECT_FALSE(good(word).boolean().has_value());
}

TEST_CASE("names given twice are refused, each with its place") {
  EXPECT_EQ(faults_of("a: 1\nb: {c: 1, c: 2}\na: 3\n"),
            "f.yaml:2:11: c is given twice (keep one of them)\nf.yaml:3:1: a is given twice (keep one of them)");
}

TEST_CASE("anchors, aliases, tags and further documents are refused") {
  EXPECT_EQ(faults_of("a: &x 1\nb: *x\n"),
            "f.yaml:1:4: anchors are not supported (remove the &name)\n"
            "f.yaml:2:4: aliases are not supported (write the value out)");
  EXPECT_EQ(faults_of("a: !!str 1\n"), "f.yaml:1:4: tags are not supported: tag:yaml.org,2002:str");
  EXPECT_EQ(faults_of("a: 1\n---\nb: 2\n"), "f.yaml: more than one document (remove what follows ---)");
}

TEST_CASE("names that are no text are refused") {
  EXPECT_EQ(faults_of("[a]: 1\n"), "f.yaml:1:1: a name is expected, not a list");
  EXPECT_EQ(faults_of("~: 1\n"), "f.yaml:1:1: a name is expected, not nothing");
}

TEST_CASE("a fault of the grammar is told with its place") {
  EXPECT(faults_of("a: [1, 2\nb: 3\n").starts_with("f.yaml:"));
  EXPECT_EQ(faults_of("a: 'it''s\nb: 2\n"), "f.yaml:1:4: the quote is never closed");
  EXPECT_EQ(faults_of("a: \"x\\\"\n"), "f.yaml:1:4: the quote is never closed");
  EXPECT_EQ(faults_of("\xef\xbb\xbfk: \"\xc3\xa4\"\na: 'x''y'\nb: \"\\\"\"\n"), "");
  EXPECT(faults_of("\tb: 1\n").starts_with("f.yaml:1:"));
  EXPECT_EQ(faults_of("b: \xff\n"), "f.yaml: the text is not UTF-8, or holds a zero byte");
}

TEST_CASE("size and depth have limits") {
  EXPECT_EQ(faults_of("a: 12345", {.size_max = 5}), "f.yaml: 8 bytes are over the limit of 5");
  EXPECT_EQ(faults_of("a: {b: {c: 1}}", {.depth_max = 2}), "f.yaml:1:8: nested over 2 deep");
  EXPECT_EQ(faults_of("a: {b: {c: 1}}", {.depth_max = 3}), "");
  EXPECT_NE(faults_of(std::string(100'000, '[')), "");
}

}  // namespace
}  // namespace mesh
