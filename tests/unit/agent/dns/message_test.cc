#include "agent/dns/message.h"

#include "agent/dns/writer.h"
#include "tests/test.h"
#include "tests/unit/agent/dns/dns_text.h"

namespace mesh::dns {
namespace {

Bytes header_bytes(unsigned questions, unsigned additional = 0) {
  Bytes out("\x12\x34\x01\x00", 4);
  for (unsigned count : {questions, 0U, 0U, additional}) {
    out += static_cast<char>(count >> 8);
    out += static_cast<char>(count & 0xff);
  }
  return out;
}

QueryFault fault_of(const Bytes& packet) { return parse_query(packet).fault; }

const Bytes kTypeAndClass("\0\1\0\1", 4);

Name name(std::string_view text) { return Name::from_text(text).value(); }

}  // namespace

TEST_CASE("a query is read with its question and EDNS") {
  const Query query = parse_query(make_query({.name = "Web.mesh", .type = "SRV", .id = 7, .edns_size = 1400}));
  REQUIRE(query.fault == QueryFault::None);
  EXPECT_EQ(query.header.id, 7);
  EXPECT(query.header.recursion_desired());
  EXPECT_EQ(query.question.name.text(), "Web.mesh.");
  EXPECT_EQ(query.question.type, 33);
  REQUIRE(query.edns.has_value());
  EXPECT_EQ(query.edns->udp_size, 1400);
}

TEST_CASE("compression pointers that lead forward, to themselves or in a loop are refused") {
  EXPECT(fault_of(header_bytes(1) + Bytes("\xc0\x0c", 2) + kTypeAndClass) == QueryFault::FormErr);  // itself
  EXPECT(fault_of(header_bytes(1) + Bytes("\xc0\x0e\xc0\x0c", 4) + kTypeAndClass) == QueryFault::FormErr);
  EXPECT(fault_of(header_bytes(1) + Bytes("\x01""a\xc0\x0c", 4) + kTypeAndClass) == QueryFault::FormErr);
  EXPECT(fault_of(header_bytes(1) + Bytes("\xc0", 1)) == QueryFault::FormErr);
}

TEST_CASE("a name is followed through pointers that lead back") {
  const Bytes message = Bytes("\x04mesh\x00\x03web\xc0\x00\x01x\xc0\x06", 16);
  Reader reader(message, 12);
  EXPECT_EQ(reader.name().value().text(), "x.web.mesh.");
  EXPECT_EQ(reader.offset(), 16U);
}

TEST_CASE("reserved label types and names over 255 bytes are refused") {
  EXPECT(fault_of(header_bytes(1) + Bytes("\x41x\0", 3) + kTypeAndClass) == QueryFault::FormErr);
  EXPECT(fault_of(header_bytes(1) + Bytes("\x81x\0", 3) + kTypeAndClass) == QueryFault::FormErr);
  const Bytes label = Bytes("\x3f", 1) + Bytes(63, 'a');
  const Bytes short_label = Bytes("\x3d", 1) + Bytes(61, 'a');
  const Bytes end(1, '\0');
  EXPECT(fault_of(header_bytes(1) + label + label + label + short_label + end + kTypeAndClass) == QueryFault::None);
  EXPECT(fault_of(header_bytes(1) + label + label + label + label + end + kTypeAndClass) == QueryFault::FormErr);
}

TEST_CASE("other than one question, and a question for OPT, are format errors") {
  EXPECT(fault_of(header_bytes(0)) == QueryFault::FormErr);
  const Bytes question = Bytes("\x01""a\0", 3) + kTypeAndClass;
  EXPECT(fault_of(header_bytes(1) + question) == QueryFault::None);
  EXPECT(fault_of(header_bytes(2) + question + question) == QueryFault::FormErr);
  EXPECT(fault_of(make_query({.name = "a", .type = "OPT"})) == QueryFault::FormErr);
}

TEST_CASE("two OPT records, an OPT with an owner, and more than 16 records are format errors") {
  const Bytes question = Bytes("\x01""a\0", 3) + kTypeAndClass;
  const Bytes opt = Bytes("\0\0\x29\x04\xd0\0\0\0\0\0\0", 11);
  EXPECT(fault_of(header_bytes(1, 1) + question + opt) == QueryFault::None);
  EXPECT(fault_of(header_bytes(1, 2) + question + opt + opt) == QueryFault::FormErr);
  EXPECT(fault_of(header_bytes(1, 1) + question + Bytes("\x01z", 2) + opt) == QueryFault::FormErr);
  EXPECT(fault_of(header_bytes(1, 0xffff) + question + opt) == QueryFault::FormErr);
}

TEST_CASE("responses get silence, other opcodes NOTIMP") {
  EXPECT(fault_of(make_query({.name = "a", .flags = 0x8100})) == QueryFault::Silence);
  EXPECT(fault_of(make_query({.name = "a", .flags = 0x2800})) == QueryFault::NotImp);
}

TEST_CASE("names compare without case, and only whole labels make a suffix") {
  EXPECT(name("WEB.mesh").equals(name("web.MESH")));
  EXPECT(name("a.web.mesh").is_within(name("web.Mesh")));
  EXPECT(name("mesh").is_within(name("mesh")));
  EXPECT_FALSE(name("amesh").is_within(name("mesh")));
  EXPECT_FALSE(name("mesh").is_within(name("a.mesh")));
  EXPECT(name("mesh").is_within(Name()));
}

TEST_CASE("text that is no domain name is refused") {
  for (const char* text : {"a..b", ".a", "a..", ".."}) EXPECT_FALSE(Name::from_text(text).ok());
  EXPECT_FALSE(Name::from_text(std::string(64, 'a')).ok());
  std::string deep;
  for (int i = 0; i < 127; ++i) deep += "a.";
  EXPECT(Name::from_text(deep).ok());
  EXPECT_FALSE(Name::from_text(deep + "a").ok());
  EXPECT_EQ(Name::from_text("").value().text(), ".");
}

TEST_CASE("labels with other bytes than printable ASCII are escaped in text") {
  Name odd;
  REQUIRE(odd.append(std::string_view("a.\\\x01\xff", 5)));
  EXPECT_EQ(odd.text(), "a\\046\\092\\001\\255.");
}

TEST_CASE("a written message uses pointers and reads back the same") {
  Bytes out;
  Writer writer(out, 512, false);
  writer.question({name("web.service.mesh"), 33, 1});
  const auto place = writer.add_srv(kQuestionName, 5, {.port = 80}, name("host-a.node.dc1.mesh"));
  REQUIRE(place.has_value());
  EXPECT(writer.add_address(Section::Additional, *place, 5, Bytes("\x0a\0\0\x01", 4)));
  EXPECT(writer.add_address(Section::Additional, name("host-b.node.dc1.mesh"), 5, Bytes("\x0a\0\0\x02", 4)));
  writer.finish(Header{.id = 1, .flags = 0x0100}, {.authoritative = true}, 1232);
  EXPECT_EQ(describe_reply(out),
            "NOERROR aa | web.service.mesh. 5 SRV 1 1 80 host-a.node.dc1.mesh. | - | "
            "host-a.node.dc1.mesh. 5 A 10.0.0.1, host-b.node.dc1.mesh. 5 A 10.0.0.2");
  EXPECT_EQ(out.size(), 12U + 22 + (12 + 6 + 22) + (12 + 4) + (7 + 2 + 10 + 4));
}

TEST_CASE("compression keeps the case of each name") {
  Bytes out;
  Writer writer(out, 512, false);
  writer.question({name("a.Mesh"), 1, 1});
  EXPECT(writer.add_name(Section::Answer, kQuestionName, Type::Cname, 0, name("b.mesh")).has_value());
  writer.finish(Header{}, {}, 0);
  EXPECT_EQ(describe_reply(out), "NOERROR no-rd | a.Mesh. 0 CNAME b.mesh. | - | -");
}

TEST_CASE("a record that does not fit leaves no trace") {
  Bytes out;
  Writer writer(out, 512, true);
  writer.question({name("a.mesh"), 16, 1});
  EXPECT_FALSE(writer.add_txt(Section::Answer, name("other.example"), 0, std::string(600, 'x')));
  EXPECT(writer.add_txt(Section::Answer, name("other.example"), 0, std::string(300, 'x')));
  EXPECT_EQ(writer.records(Section::Answer), 1U);
  writer.finish(Header{}, {}, 1232);
  EXPECT_LE(out.size(), 512U);
  EXPECT(describe_reply(out).starts_with("NOERROR no-rd | other.example. 0 TXT \"xxx"));
}

}  // namespace mesh::dns
