#include "net/address.h"

#include "tests/test.h"

namespace mesh::net {

TEST_CASE("an address is printed as it is parsed") {
  for (const char* text : {"10.0.0.1:80", "0.0.0.0:0", "[fd00::1]:65535", "[::]:1", "[::1]:8500"}) {
    const auto address = Address::parse(text);
    REQUIRE(address.ok());
    EXPECT_EQ(address->to_string(), text);
  }
  EXPECT_EQ(IpAddress::parse("2001:0DB8:0:0::0001")->to_string(), "2001:db8::1");
}

TEST_CASE("an IPv4-mapped IPv6 address is the IPv4 address") {
  const auto mapped = IpAddress::parse("::ffff:10.1.2.3");
  REQUIRE(mapped.ok());
  EXPECT(mapped->is_v4());
  EXPECT_EQ(*mapped, *IpAddress::parse("10.1.2.3"));
  EXPECT_EQ(mapped->v4_value(), 0x0a010203u);
}

TEST_CASE("what is not an address is refused with its text") {
  for (const char* text :
       {"", "10.0.0.1", "10.0.0.1:", ":80", "10.0.0.1:65536", "10.0.0.1:-1", "10.0.0.1:+1", "10.0.0.1: 80", "10.0.0:80",
        "10.0.0.01:80", "10.0.0.256:80", "1.2.3.4.5:80", "fd00::1:80", "[fd00::1]", "[fd00::1]80", "[10.0.0.1]:80",
        "[fe80::1%eth0]:80", "[fd00::1:80", "[]:80", "host:80", "0x7f.1:80", "2130706433:80"}) {
    CAPTURE(text);
    const auto address = Address::parse(text);
    REQUIRE_FALSE(address.ok());
    EXPECT_EQ(address.error().code, Code::Invalid);
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view("10.0.0.1\0x", 10)).ok());
}

TEST_CASE("an endpoint is an address or an absolute unix path") {
  const auto path = Endpoint::parse("unix:/run/meshd/agent.sock");
  REQUIRE(path.ok());
  EXPECT(path->is_unix());
  EXPECT_EQ(path->unix_path(), "/run/meshd/agent.sock");
  EXPECT_EQ(path->to_string(), "unix:/run/meshd/agent.sock");
  EXPECT_FALSE(Endpoint::parse("unix:relative").ok());
  EXPECT_FALSE(Endpoint::parse("unix:/" + std::string(kUnixPathBytesMax, 'x')).ok());
  EXPECT_FALSE(Endpoint::parse("127.0.0.1:80")->is_unix());
}

TEST_CASE("addresses know loopback, any and multicast") {
  EXPECT(IpAddress::parse("127.128.0.5")->is_loopback());
  EXPECT(IpAddress::parse("::1")->is_loopback());
  EXPECT_FALSE(IpAddress::parse("::2")->is_loopback());
  EXPECT(IpAddress::parse("::")->is_any());
  EXPECT(IpAddress::parse("239.1.1.1")->is_multicast());
  EXPECT(IpAddress::parse("ff02::1")->is_multicast());
  EXPECT_LT(*IpAddress::parse("255.0.0.1"), *IpAddress::parse("::1"));
  EXPECT_NE(std::hash<Address>{}(*Address::parse("10.0.0.1:1")), std::hash<Address>{}(*Address::parse("10.0.0.1:2")));
}

}  // namespace mesh::net
