#include "agent/dns/answer.h"

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "tests/test.h"
#include "tests/unit/agent/dns/dns_text.h"
#include "tests/unit/agent/dns/fake_zone.h"

namespace mesh::dns {
namespace {

std::string read_text(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

Settings plain_settings() {
  Settings settings;
  settings.domains = {Name::from_text("mesh").value()};
  settings.node = "host-a";
  return settings;
}

void set_one(Settings& settings, std::string_view key, const std::string& value) {
  const auto whole_seconds = [&] { return seconds(std::stoi(value)); };
  if (key == "only_passing") settings.only_passing = true;
  if (key == "recursion") settings.recursion = true;
  if (key == "alt") settings.domains.push_back(Name::from_text(value).value());
  if (key == "service_ttl") settings.service_ttl = whole_seconds();
  if (key == "node_ttl") settings.node_ttl = whole_seconds();
  if (key == "negative_ttl") settings.negative_ttl = whole_seconds();
  if (key == "a_record_limit") settings.a_record_limit = std::stoul(value);
  if (key.starts_with("ttl:")) settings.service_ttls[std::string(key.substr(4))] = whole_seconds();
}

// "only_passing=1 service_ttl=10" applied to the defaults.
Settings settings_of(std::istringstream& words) {
  Settings settings = plain_settings();
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    set_one(settings, word.substr(0, equals), word.substr(equals + 1));
  }
  return settings;
}

struct Asked {
  std::string name;
  std::string type;
  QueryWords words;
  Client client;
  bool no_zone = false;
};

Asked asked_of(const std::string& line) {
  Asked asked;
  std::istringstream words(line);
  words >> asked.name >> asked.type;
  for (std::string word; words >> word;) {
    const std::string value = word.substr(word.find('=') + 1);
    if (word == "tcp") asked.client.tcp = true;
    if (word == "loopback") asked.client.loopback = true;
    if (word == "no-zone") asked.no_zone = true;
    if (word.starts_with("edns=")) asked.words.edns_size = std::stoi(value);
    if (word.starts_with("version=")) asked.words.edns_version = static_cast<std::uint8_t>(std::stoi(value));
    if (word.starts_with("class=")) asked.words.klass = static_cast<std::uint16_t>(std::stoi(value));
    if (word.starts_with("flags=")) asked.words.flags = static_cast<std::uint16_t>(std::stoi(value, nullptr, 16));
  }
  return asked;
}

std::string answer_text(const std::string& line, const Zone& zone, const Settings& settings) {
  Asked asked = asked_of(line);
  asked.words.name = asked.name;
  asked.words.type = asked.type;
  Rng rng(1);
  Bytes reply;
  const Outcome outcome =
      answer(make_query(asked.words), asked.client, asked.no_zone ? nullptr : &zone, settings, rng, reply);
  if (outcome.step == Step::Silence) return "(silence)";
  if (outcome.step == Step::Forward) return "(forward)";
  const std::string note = outcome.note == Note::None ? "" : fmt::format("  ({})", note_text(outcome.note));
  return describe_reply(reply) + note;
}

const FakeZone& test_zone() {
  static const FakeZone zone(read_text(DNS_TEST_DATA "/zone.txt"));
  return zone;
}

struct Asking {
  std::string name = "many.service.mesh";
  std::string type = "A";
  int edns_size = -1;
  Client client{};
};

Header header_of(ByteView reply) { return Reader(reply).header().value(); }

// `count` instances of "many", each on a node and an address of its own.
std::string many_instances(unsigned count) {
  std::string text;
  for (unsigned i = 0; i < count; ++i) {
    text += fmt::format("node n{0} 10.1.{1}.{2}\nservice many n{0} - 80 passing 1\n", i, i / 256, i % 256);
  }
  return text;
}

Bytes ask(const Zone& zone, const Asking& asking, std::uint64_t seed = 1) {
  Rng rng(seed);
  Bytes reply;
  (void)answer(make_query({.name = asking.name, .type = asking.type, .edns_size = asking.edns_size}), asking.client,
               &zone, plain_settings(), rng, reply);
  return reply;
}

}  // namespace

TEST_CASE("every row of answers.txt gets the answer written below it") {
  const std::string path = DNS_TEST_DATA "/answers.txt";
  std::istringstream lines(read_text(path));
  std::string fresh;
  std::string expected;
  std::string question;
  Settings settings = plain_settings();
  unsigned rows = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("  ")) {
      const std::string got = answer_text(question, test_zone(), settings);
      EXPECT_EQ(question + "\n  " + got, question + "\n" + line);
      continue;
    }
    fresh += line + "\n";
    if (line.empty() || line.starts_with("#")) continue;
    std::istringstream words(line);
    if (line.starts_with("settings")) {
      words >> question;
      settings = settings_of(words);
      continue;
    }
    question = line;
    fresh += "  " + answer_text(question, test_zone(), settings) + "\n";
    ++rows;
  }
  EXPECT_GE(rows, 80U);
  if (std::getenv("MESH_UPDATE") != nullptr) std::ofstream(path) << fresh;
  EXPECT_EQ(fresh, read_text(path));
}

TEST_CASE("an answer that does not fit into 512 bytes is cut at a record and marked") {
  const FakeZone zone(many_instances(100));
  const Bytes reply = ask(zone, {});
  EXPECT_LE(reply.size(), 512U);
  EXPECT(header_of(reply).truncated());
  EXPECT_EQ(header_of(reply).answer_count, 29);  // (512 - 12 - 23) / 16
}

TEST_CASE("EDNS raises the limit to what the client announces, at most 1232 bytes over a network") {
  const FakeZone zone(many_instances(100));
  EXPECT_LE(ask(zone, {.edns_size = 4096}).size(), 1232U);
  EXPECT_GT(ask(zone, {.edns_size = 4096}).size(), 1200U);
  EXPECT_LE(ask(zone, {.edns_size = 700}).size(), 700U);
  EXPECT_LE(ask(zone, {.edns_size = 100}).size(), 512U);
}

TEST_CASE("a client on loopback gets the datagram size that it asks for") {
  const FakeZone zone(many_instances(100));
  const Bytes reply = ask(zone, {.edns_size = 8192, .client = {.loopback = true}});
  EXPECT_FALSE(header_of(reply).truncated());
  EXPECT_EQ(header_of(reply).answer_count, 100);
}

TEST_CASE("a thousand instances are listed whole over TCP, with addresses of all SRV targets") {
  const FakeZone zone(many_instances(1000));
  const Bytes plain = ask(zone, {.client = {.tcp = true}});
  EXPECT_FALSE(header_of(plain).truncated());
  EXPECT_EQ(header_of(plain).answer_count, 1000);
  const Bytes srv = ask(zone, {.type = "SRV", .client = {.tcp = true}});
  EXPECT_FALSE(header_of(srv).truncated());
  EXPECT_EQ(header_of(srv).answer_count, 1000);
  EXPECT(describe_reply(srv).starts_with("NOERROR aa | many.service.mesh. 0 SRV 1 1 80 n0.node.dc1.mesh."));
}

TEST_CASE("more than a TCP message holds is cut and marked too") {
  const FakeZone zone(many_instances(5000));
  const Bytes reply = ask(zone, {.client = {.tcp = true}});
  EXPECT_LE(reply.size(), kMessageMax);
  EXPECT(header_of(reply).truncated());
  EXPECT_GT(header_of(reply).answer_count, 4000);
}

TEST_CASE("additional records that do not fit are left out without the truncation mark") {
  const FakeZone zone(many_instances(10));
  const Bytes reply = ask(zone, {.type = "SRV"});
  EXPECT_FALSE(header_of(reply).truncated());
  EXPECT_EQ(header_of(reply).answer_count, 10);
  EXPECT_LT(header_of(reply).additional_count, 10);
}

TEST_CASE("the order of addresses changes from answer to answer, the set does not") {
  const FakeZone zone(many_instances(5));
  std::set<Bytes> replies;
  std::set<std::string> sets;
  std::map<std::string, int> first;
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    const Bytes reply = ask(zone, {}, seed);
    replies.insert(reply);
    sets.insert(describe_reply(reply));
    Reader reader(reply);
    (void)reader.header();
    (void)reader.question();
    ++first[ip_text(reader.record().value().data)];
  }
  EXPECT_EQ(sets.size(), 1U);
  EXPECT_GT(replies.size(), 60U);
  for (const auto& [address, times] : first) EXPECT_GT(times, 60);
}

TEST_CASE("the question comes back in the case in which it was asked") {
  const Bytes reply = ask(test_zone(), {.name = "wEb.SERVICE.mEsh"});
  Reader reader(reply);
  (void)reader.header();
  EXPECT_EQ(reader.question().value().name.text(), "wEb.SERVICE.mEsh.");
  EXPECT_EQ(reader.record().value().owner.text(), "wEb.SERVICE.mEsh.");
}

TEST_CASE("packets that cannot be a query get silence, malformed ones FORMERR with their id") {
  Rng rng(1);
  Bytes reply;
  const auto step = [&](ByteView packet) {
    return answer(packet, {}, &test_zone(), plain_settings(), rng, reply);
  };
  const Bytes good = make_query({.name = "web.service.mesh"});
  for (std::size_t size = 0; size < good.size(); ++size) {
    const Outcome outcome = step(ByteView(good).substr(0, size));
    if (size < kHeaderSize) {
      EXPECT(outcome.step == Step::Silence);
      continue;
    }
    EXPECT(outcome.step == Step::Reply);
    EXPECT(outcome.rcode == Rcode::FormErr);
    EXPECT_EQ(header_of(reply).id, 0x1234);
  }
  EXPECT(step(good + "x").rcode == Rcode::FormErr);
}

TEST_CASE("an extended rcode travels in OPT") {
  Rng rng(1);
  Bytes reply;
  const Bytes query = make_query({.name = "web.service.mesh", .edns_size = 1232, .edns_version = 1});
  const Outcome outcome = answer(query, {}, &test_zone(), plain_settings(), rng, reply);
  EXPECT(outcome.rcode == Rcode::BadVers);
  Reader reader(reply);
  EXPECT_EQ(reader.header().value().flags & 0xf, 0);
  (void)reader.question();
  EXPECT_EQ(reader.record().value().ttl_s >> 24, 1U);
}

}  // namespace mesh::dns
