#include "base/message.h"

#include "tests/test.h"

namespace mesh {
namespace {

#define COLOUR_VALUES(E) E(0, Red, "red") E(1, Green, "green") E(7, DarkBlue, "dark-blue")
MESH_ENUM(Colour, std::uint8_t, COLOUR_VALUES)
MESH_ENUM_TABLE(Colour, COLOUR_VALUES)

struct HeightTag;
using Height = Strong<HeightTag, std::uint32_t>;

#define LEAF_FIELDS(F)                                  \
  F(1, std::string, name, "Name", "a name", kShorthand) \
  F(2, std::int64_t, size, "Size", "signed")
struct Leaf {
  MESH_MESSAGE(Leaf, LEAF_FIELDS)
};
MESH_MESSAGE_TABLE(Leaf, LEAF_FIELDS)

#define TREE_FIELDS(F)                                                   \
  F(1, bool, evergreen, "Evergreen", "")                                 \
  F(2, Height, height, "Height", "strong integer")                       \
  F(3, Colour, colour, "Colour", "")                                     \
  F(4, Leaf, leaf, "Leaf", "one message")                                \
  F(5, ListOf<Leaf>, leaves, "Leaves", "")                               \
  F(6, MapOf<Leaf>, by_name, "ByName", "")                               \
  F(7, ListOf<std::int32_t>, numbers, "Numbers", "packed")               \
  F(8, ListOf<std::string>, words, "Words", "")                          \
  F(9, MapOf<std::string>, meta, "Meta", "")                             \
  F(10, std::optional<std::uint32_t>, maybe, "Maybe", "")                \
  F(11, Bytes, raw, "Raw", "not text", kBytes)                           \
  F(12, Duration, interval, "Interval", "")                              \
  F(13, WallTime, seen, "Seen", "")                                      \
  F(14, double, ratio, "Ratio", "")                                      \
  F(20, ListOf<Tree>, children, "Children", "itself, after a gap")
struct Tree {
  MESH_MESSAGE(Tree, TREE_FIELDS)
};
MESH_MESSAGE_TABLE(Tree, TREE_FIELDS)

Tree full_tree() {
  Tree tree;
  tree.evergreen = true;
  tree.height = Height(300);
  tree.colour = Colour::DarkBlue;
  tree.leaf = {.name = "top", .size = -5};
  tree.leaves = {{.name = "a", .size = 1}, {}, {.name = std::string(300, 'x'), .size = 0}};
  tree.by_name = {{"b", {.name = "b", .size = 2}}, {"", {}}};
  tree.numbers = {0, -1, 100000};
  tree.words = {"one", "", "three"};
  tree.meta = {{"k", "v"}, {"empty", ""}};
  tree.maybe = 0;
  tree.raw = std::string("\0\xff", 2);
  tree.interval = seconds(10);
  tree.seen = WallTime(Duration(1'700'000'000'000'000'000));
  tree.ratio = 0.25;
  tree.children = {Tree{}, Tree{}};
  tree.children[1].colour = Colour::Green;
  return tree;
}

TEST_CASE("a message with every kind and shape of field survives the wire") {
  const Tree tree = full_tree();
  const Result<Tree> back = decode<Tree>(encode(tree));
  REQUIRE(back.ok());
  EXPECT(*back == tree);
  EXPECT(encode(*back) == encode(tree));
}

TEST_CASE("an empty message has no bytes and no bytes are an empty message") {
  EXPECT(encode(Tree{}).empty());
  EXPECT(decode<Tree>("").value() == Tree{});
}

TEST_CASE("the bytes are those of the protobuf wire format") {
  EXPECT_EQ(to_hex(encode(Leaf{.name = "ab", .size = 150})), "0a026162109601");
  Tree tree;
  tree.numbers = {1, 300};
  EXPECT_EQ(to_hex(encode(tree)), "3a0301ac02");
}

TEST_CASE("an optional zero is present on the wire and an absent one is not") {
  Tree tree;
  tree.maybe = 0;
  EXPECT_EQ(to_hex(encode(tree)), "5000");
  EXPECT(decode<Tree>(encode(tree)).value().maybe == 0U);
}

TEST_CASE("unknown fields of every wire type are skipped") {
  Bytes bytes = encode(Leaf{.name = "ab", .size = 1});
  bytes += std::string("\xf8\x07\x05", 3);                                   // 127: varint
  bytes += std::string("\xf9\x07", 2) + "12345678";                          // fixed64
  bytes += std::string("\xfa\x07\x03", 3) + "abc";                           // bytes
  bytes += std::string("\xfd\x07", 2) + "1234";                              // fixed32
  EXPECT(decode<Leaf>(bytes).value() == Leaf{.name = "ab", .size = 1});
}

TEST_CASE("lists of numbers are read packed and one by one") {
  EXPECT(decode<Tree>(std::string("\x38\x01\x38\x02\x3a\x01\x03", 7)).value().numbers == ListOf<std::int32_t>{1, 2, 3});
}

TEST_CASE("a cut message is refused at every length but those between fields") {
  const Bytes bytes = encode(full_tree());
  int good = 0;
  for (std::size_t size = 0; size < bytes.size(); ++size) good += decode<Tree>(ByteView(bytes).substr(0, size)).ok();
  EXPECT_LT(good, 30);
  EXPECT_EQ(outcome_of(decode<Tree>(ByteView(bytes).substr(0, bytes.size() - 1))), Code::Corrupt);
}

TEST_CASE("values outside their type are refused with the path of the field") {
  const auto message_of = [](ByteView bytes) { return decode<Tree>(bytes).error().message; };
  EXPECT_EQ(message_of("\x18\x05"), "Tree.colour: value 5 out of range");
  EXPECT_EQ(message_of("\x08\x02"), "Tree.evergreen: value 2 out of range");
  EXPECT_EQ(message_of("\x10\xff\xff\xff\xff\x7f"), "Tree.height: value 34359738367 out of range");
  EXPECT_EQ(message_of("\x22\x02\x08\x01"), "Tree.leaf: Leaf.name: wire type 0");
  EXPECT_EQ(message_of("\x23"), "byte 1 of 1: unknown wire type");
  EXPECT_EQ(message_of(ByteView("\0", 1)), "byte 1 of 1: field number out of range");
  EXPECT_EQ(message_of("\x22\x7f"), "Tree.leaf: byte 2 of 2: length beyond the end");
  EXPECT_EQ(message_of("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), "Tree.height: byte 11 of 11: number over 64 bits");
}

TEST_CASE("nesting over the limit is refused, at the limit it is not") {
  const auto nested = [](int levels) {
    Tree tree;
    tree.evergreen = true;
    for (int i = 1; i < levels; ++i) {
      Tree parent;
      parent.children.push_back(std::move(tree));
      tree = std::move(parent);
    }
    return encode(tree);
  };
  EXPECT(decode<Tree>(nested(kMessageDepthMax)).ok());
  EXPECT_EQ(outcome_of(decode<Tree>(nested(kMessageDepthMax + 1))), Code::Corrupt);
}

TEST_CASE("input and memory over the limits are refused") {
  EXPECT_EQ(outcome_of(decode<Leaf>("\x10\x01", {.size_max = 1})), Code::Invalid);
  Tree many;
  many.leaves.resize(1000);
  const Bytes bytes = encode(many);
  EXPECT(decode<Tree>(bytes, {.memory_max = 1000 * sizeof(Leaf)}).ok());
  EXPECT_EQ(outcome_of(decode<Tree>(bytes, {.memory_max = 1000 * sizeof(Leaf) - 1})), Code::Invalid);
}

TEST_CASE("enums are named by their table, read without case") {
  EXPECT_EQ(enum_text(Colour::DarkBlue), "dark-blue");
  EXPECT(enum_from_text<Colour>("Dark-BLUE") == Colour::DarkBlue);
  EXPECT_FALSE(enum_from_text<Colour>("yellow").has_value());
}

}  // namespace
}  // namespace mesh
