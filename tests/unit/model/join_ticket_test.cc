#include "model/join_ticket.h"

#include "base/base64.h"
#include "base/hash.h"
#include "base/message_json.h"
#include "tests/test.h"

namespace mesh::model {
namespace {

JoinTicket ticket() {
  JoinTicket out;
  out.cluster_id = "c0000000-0000-4000-8000-000000000000";
  out.datacenter = "dc1";
  out.domain = "mesh";
  out.servers = {"10.0.0.11:8300", "[2001:db8::1]:8300"};
  out.ca_key_hash = Bytes(32, 'h');
  out.token_id = "d0000000-0000-4000-8000-000000000000";
  out.secret = Bytes(kJoinSecretBytes, 's');
  return out;
}

std::string why(std::string_view text) {
  const Result<JoinTicket> parsed = JoinTicket::parse(text);
  return parsed.ok() ? "" : parsed.error().message;
}

TEST_CASE("a join token is read as it was written, with white space around it") {
  EXPECT(JoinTicket::parse(ticket().text()).value() == ticket());
  EXPECT(JoinTicket::parse("  " + ticket().text() + "\r\n").value() == ticket());
}

TEST_CASE("every cut and every changed letter of a join token is noticed, and the text is not quoted") {
  const std::string text = ticket().text();
  for (std::size_t i = 0; i < text.size(); ++i) {
    EXPECT_FALSE(JoinTicket::parse(text.substr(0, i)).ok());
    std::string changed = text;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(JoinTicket::parse(changed).ok());
    EXPECT_EQ(why(changed).find(text.substr(20, 20)), std::string::npos);
  }
}

TEST_CASE("a wrong join token is told by what is wrong with it") {
  EXPECT(why("").find("empty") != std::string::npos);
  EXPECT(why("hello").find("no join token") != std::string::npos);
  EXPECT(why(ticket().text().substr(0, 50)).find("cut short") != std::string::npos);
  EXPECT(why("mesh1." + std::string(5000, 'A')).find("longer") != std::string::npos);
  const Result<JoinTicket> later = JoinTicket::parse("mesh2.AAAA");
  EXPECT(outcome_of(later) == Code::Unsupported);
  EXPECT(outcome_of(JoinTicket::parse("mesh.AAAA")) == Code::Invalid);
  JoinTicket none = ticket();
  none.servers.clear();
  EXPECT(why(none.text()).find("servers") != std::string::npos);
  none = ticket();
  none.secret.clear();
  EXPECT(why(none.text()).find("no secret") != std::string::npos);
  none = ticket();
  none.cluster_id = "x";
  EXPECT(why(none.text()).find("cluster id") != std::string::npos);
  none = ticket();
  none.ca_key_hash = "short";
  EXPECT(why(none.text()).find("key") != std::string::npos);
}

TEST_CASE("well-formed bytes that are no join token are refused") {
  Bytes bytes = "\xff\xff\xff";
  append_be64(bytes, xxh3_64("\xff\xff\xff"));
  EXPECT(why("mesh1." + base64url_encode(bytes)).find("damaged") != std::string::npos);
}

TEST_CASE("the JSON of a join token's content has no secret") {
  EXPECT_EQ(to_json(ticket()).find("ecret"), std::string::npos);
}

}  // namespace
}  // namespace mesh::model
