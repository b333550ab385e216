// The whole path of a DNS packet: bytes, query, answer over a fixed zone, reply. The first byte chooses transport and
// settings. Whatever comes in: a reply is well formed, within its size limit, carries the id, and is the same again.
#include <cstdint>
#include <string_view>

#include "agent/dns/answer.h"
#include "base/check.h"
#include "tests/unit/agent/dns/fake_zone.h"

namespace {

using namespace mesh;

constexpr std::string_view kZone =
    "node host-a 10.0.0.1 rack=r1 rfc1035-note=plain\n"
    "node host-6 fd00::6\n"
    "node alias cname.example.com\n"
    "service web host-a - 8080 passing 1 v1\n"
    "service web host-6 - 8080 warning 1 v2 a.b\n"
    "service web host-a 10.0.0.3 1 critical 1\n"
    "service inside host-a host-a.node.mesh 80 passing 1\n"
    "service outside host-a db.example.com 80 passing 1\n"
    "service circle host-a round.service.mesh 80 passing 1\n"
    "service round host-a circle.service.mesh 80 passing 1\n"
    "mesh web 127.128.0.5\n";

std::string zone_text() {
  std::string text(kZone);
  for (int i = 0; i < 60; ++i) text += fmt::format("service many host-a 10.2.0.{0} {0} passing 1\n", i);
  return text;
}

dns::Settings settings_of(std::uint8_t bits) {
  dns::Settings settings;
  settings.domains = {dns::Name::from_text("mesh").value(), dns::Name::from_text("a.consul").value()};
  settings.node = "host-a";
  settings.only_passing = (bits & 4) != 0;
  settings.recursion = (bits & 8) != 0;
  settings.a_record_limit = (bits & 16) != 0 ? 2 : 0;
  return settings;
}

void check_reply(ByteView packet, ByteView reply, dns::Client client, bool truncated) {
  dns::Reader reader(reply);
  const auto header = reader.header();
  CHECK(header && header->is_response() && header->truncated() == truncated, "header");
  CHECK(reply.substr(0, 2) == packet.substr(0, 2), "id");
  CHECK(reply.size() <= (client.tcp ? dns::kMessageMax : client.loopback ? dns::kUdpPayloadLoopbackMax
                                                                         : dns::kUdpPayloadMax),
        "{} bytes", reply.size());
  CHECK(header->question_count <= 1, "questions");
  if (header->question_count == 1) CHECK(reader.question().has_value(), "question");
  const unsigned records = header->answer_count + header->authority_count + header->additional_count;
  for (unsigned i = 0; i < records; ++i) CHECK(reader.record().has_value(), "record {} of {}", i, records);
  CHECK(reader.at_end(), "bytes after the end");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const dns::FakeZone zone(zone_text());
  if (size == 0) return 0;
  const dns::Client client{.tcp = (data[0] & 1) != 0, .loopback = (data[0] & 2) != 0};
  const dns::Settings settings = settings_of(data[0]);
  const dns::Zone* use = (data[0] & 32) != 0 ? nullptr : &zone;
  const ByteView packet(reinterpret_cast<const char*>(data) + 1, size - 1);
  Bytes reply;
  Bytes again;
  Rng rng(1);
  Rng same(1);
  const dns::Outcome outcome = dns::answer(packet, client, use, settings, rng, reply);
  (void)dns::answer(packet, client, use, settings, same, again);
  if (outcome.step != dns::Step::Reply) return 0;
  CHECK(reply == again, "not deterministic");
  check_reply(packet, reply, client, outcome.truncated);
  return 0;
}
