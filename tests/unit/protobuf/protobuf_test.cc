// The wire codec against libprotobuf, which reads the generated .proto: both ways, over random messages of every type.
#include <google/protobuf/compiler/parser.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <array>
#include <memory>

#include "base/proto_text.h"
#include "model/authority.h"
#include "model/check.h"
#include "model/intention.h"
#include "model/kv.h"
#include "model/name.h"
#include "model/node.h"
#include "model/server.h"
#include "model/service.h"
#include "model/token.h"
#include "tests/test.h"
#include "tests/unit/protobuf/random_message.h"

namespace mesh {
namespace {

namespace pb = google::protobuf;

#define LEVEL_VALUES(E) E(0, None, "none") E(3, Some, "some") E(200, All, "all")
MESH_ENUM(Level, std::uint8_t, LEVEL_VALUES)
MESH_ENUM_TABLE(Level, LEVEL_VALUES)

struct CountTag;
using Count = Strong<CountTag, std::uint32_t>;

#define INNER_FIELDS(F)          \
  F(1, std::int32_t, a, "A", "") \
  F(7, std::string, b, "B", "")
struct Inner {
  MESH_MESSAGE(Inner, INNER_FIELDS)
};
MESH_MESSAGE_TABLE(Inner, INNER_FIELDS)

// Every kind of field in every shape.
#define SAMPLE_FIELDS(F)                                         \
  F(1, bool, flag, "A", "")                                      \
  F(2, std::int32_t, small, "B", "")                             \
  F(3, std::int64_t, large, "C", "")                             \
  F(4, std::uint32_t, small_unsigned, "D", "")                   \
  F(5, std::uint64_t, large_unsigned, "E", "")                   \
  F(6, std::uint16_t, port, "F", "")                             \
  F(7, double, ratio, "G", "")                                   \
  F(8, std::string, text, "H", "")                               \
  F(9, Bytes, blob, "I", "", kBytes)                             \
  F(10, Level, level, "J", "")                                   \
  F(11, Duration, interval, "K", "")                             \
  F(12, WallTime, time, "L", "")                                 \
  F(13, Count, count, "M", "")                                   \
  F(14, Inner, inner, "N", "")                                   \
  F(15, std::optional<std::int32_t>, maybe_number, "O", "")      \
  F(16, std::optional<std::string>, maybe_text, "P", "")         \
  F(17, std::optional<Level>, maybe_level, "Q", "")              \
  F(18, std::optional<Inner>, maybe_inner, "R", "")              \
  F(19, ListOf<std::int64_t>, numbers, "S", "")                  \
  F(20, ListOf<double>, ratios, "T", "")                         \
  F(21, ListOf<Level>, levels, "U", "")                          \
  F(22, ListOf<std::string>, texts, "V", "")                     \
  F(23, ListOf<Bytes>, blobs, "W", "", kBytes)                   \
  F(24, ListOf<Inner>, inners, "X", "")                          \
  F(25, MapOf<std::uint32_t>, number_of, "Y", "")                \
  F(26, MapOf<std::string>, text_of, "Z", "")                    \
  F(27, MapOf<Inner>, inner_of, "AA", "")                        \
  F(28, MapOf<Level>, level_of, "AB", "")                        \
  F(29, ListOf<Duration>, intervals, "AC", "")                   \
  F(3000, MapOf<double>, ratio_of, "AD", "far away")              \
  F(3001, ListOf<Sample>, children, "AE", "of its own type")
struct Sample {
  MESH_MESSAGE(Sample, SAMPLE_FIELDS)
};
MESH_MESSAGE_TABLE(Sample, SAMPLE_FIELDS)

// libprotobuf's view of our tables: types by name, made from the generated text alone.
class Peer {
 public:
  explicit Peer(std::span<const MessageTable* const> tables) : factory_(&pool_) {
    const std::string text = proto_text("mesh", tables);
    pb::io::ArrayInputStream stream(text.data(), static_cast<int>(text.size()));
    pb::io::Tokenizer tokenizer(&stream, nullptr);
    pb::compiler::Parser parser;
    pb::FileDescriptorProto file;
    file.set_name("mesh.proto");
    const bool parsed = parser.Parse(&tokenizer, &file);
    file_ = parsed ? pool_.BuildFile(file) : nullptr;
  }

  [[nodiscard]] bool good() const { return file_ != nullptr; }
  [[nodiscard]] std::unique_ptr<pb::Message> make(std::string_view type) {
    const pb::Descriptor* descriptor = file_->FindMessageTypeByName(std::string(type));
    REQUIRE(descriptor != nullptr);
    return std::unique_ptr<pb::Message>(factory_.GetPrototype(descriptor)->New());
  }

 private:
  pb::DescriptorPool pool_;
  pb::DynamicMessageFactory factory_;
  const pb::FileDescriptor* file_ = nullptr;
};

std::string bytes_of(const pb::Message& message) {
  std::string bytes;
  pb::io::StringOutputStream stream(&bytes);
  pb::io::CodedOutputStream out(&stream);
  out.SetSerializationDeterministic(true);
  REQUIRE(message.SerializeToCodedStream(&out));
  out.Trim();
  return bytes;
}

const std::array kTables = {&Sample::table(),          &model::Node::table(),      &model::ServiceDefinition::table(),
                            &model::ServiceInstance::table(), &model::Check::table(), &model::Intention::table(),
                            &model::KvEntry::table(),  &model::Cluster::table(),   &model::CaRoot::table(),
                            &model::SealedKey::table(), &model::Leaf::table(),     &model::JoinToken::table(),
                            &model::ManagementToken::table(), &model::Name::table(), &model::Server::table()};

// What libprotobuf makes of our bytes has no unknown fields and gives the same bytes again.
template <Message M>
void expect_same_bytes(Peer& peer, int rounds) {
  INFO(M::table().name);
  Rng rng(7);
  for (int i = 0; i < rounds; ++i) {
    M message{};
    fill_random(M::table(), &message, rng);
    const Bytes ours = encode(message);
    const auto theirs = peer.make(M::table().name);
    REQUIRE(theirs->ParseFromString(ours));
    REQUIRE(theirs->GetReflection()->GetUnknownFields(*theirs).empty());
    REQUIRE(to_hex(bytes_of(*theirs)) == to_hex(ours));
    const Result<M> back = decode<M>(bytes_of(*theirs));
    REQUIRE(back.ok());
    REQUIRE(*back == message);
  }
}

TEST_CASE("libprotobuf understands the generated text") { EXPECT(Peer(kTables).good()); }

TEST_CASE("random messages of every type have the bytes that libprotobuf writes") {
  Peer peer(kTables);
  REQUIRE(peer.good());
  expect_same_bytes<Sample>(peer, 500);
  expect_same_bytes<model::Node>(peer, 50);
  expect_same_bytes<model::ServiceDefinition>(peer, 100);
  expect_same_bytes<model::ServiceInstance>(peer, 100);
  expect_same_bytes<model::Check>(peer, 100);
  expect_same_bytes<model::Intention>(peer, 50);
  expect_same_bytes<model::KvEntry>(peer, 50);
  expect_same_bytes<model::Cluster>(peer, 50);
  expect_same_bytes<model::CaRoot>(peer, 50);
  expect_same_bytes<model::SealedKey>(peer, 50);
  expect_same_bytes<model::Leaf>(peer, 50);
  expect_same_bytes<model::Server>(peer, 50);
  expect_same_bytes<model::JoinToken>(peer, 50);
  expect_same_bytes<model::ManagementToken>(peer, 50);
  expect_same_bytes<model::Name>(peer, 50);
}

// Values at the edges of their types, set through libprotobuf's own interface.
void set_edges(pb::Message& message, bool high) {
  const pb::Reflection& reflection = *message.GetReflection();
  const auto field = [&](const char* name) { return message.GetDescriptor()->FindFieldByName(name); };
  reflection.SetBool(&message, field("flag"), high);
  reflection.SetInt32(&message, field("small"), high ? INT32_MAX : INT32_MIN);
  reflection.SetInt64(&message, field("large"), high ? INT64_MAX : INT64_MIN);
  reflection.SetUInt32(&message, field("small_unsigned"), UINT32_MAX);
  reflection.SetUInt64(&message, field("large_unsigned"), UINT64_MAX);
  reflection.SetDouble(&message, field("ratio"), high ? 1e308 : -5e-324);
  reflection.SetString(&message, field("text"), std::string(20'000, 'y'));
  reflection.SetInt64(&message, field("interval"), -1);
  reflection.SetInt32(&message, field("maybe_number"), 0);
  reflection.SetString(&message, field("maybe_text"), "");
  reflection.SetEnumValue(&message, field("level"), 200);
  reflection.AddEnumValue(&message, field("levels"), 3);
  reflection.AddInt64(&message, field("numbers"), -1);
  reflection.MutableMessage(&message, field("maybe_inner"));
  reflection.AddMessage(&message, field("children"));
}

TEST_CASE("what libprotobuf writes at the edges of types is read here and written back as it was") {
  Peer peer(kTables);
  REQUIRE(peer.good());
  for (const bool high : {false, true}) {
    const auto theirs = peer.make("Sample");
    set_edges(*theirs, high);
    const Result<Sample> ours = decode<Sample>(bytes_of(*theirs));
    REQUIRE(ours.ok());
    EXPECT_EQ(ours->large, high ? INT64_MAX : INT64_MIN);
    EXPECT(ours->maybe_number == 0);
    EXPECT(ours->maybe_text == "");
    EXPECT(ours->maybe_inner == Inner{});
    EXPECT_EQ(ours->text.size(), 20'000);
    EXPECT(to_hex(encode(*ours)) == to_hex(bytes_of(*theirs)));
  }
}

TEST_CASE("a number that libprotobuf sends outside the narrower type here is refused") {
  Peer peer(kTables);
  REQUIRE(peer.good());
  const auto theirs = peer.make("Sample");
  theirs->GetReflection()->SetUInt32(theirs.get(), theirs->GetDescriptor()->FindFieldByName("port"), 65536);
  EXPECT_EQ(decode<Sample>(bytes_of(*theirs)).error().message, "Sample.port: value 65536 out of range");
}

}  // namespace
}  // namespace mesh
