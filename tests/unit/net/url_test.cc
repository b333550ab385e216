#include "net/url.h"

#include "tests/test.h"

namespace mesh::net {

TEST_CASE("percent escapes are decoded once and encoded back") {
  EXPECT_EQ(*percent_decode("a%20b%2Fc+d"), "a b/c+d");
  EXPECT_EQ(*percent_decode("%2541"), "%41");
  for (const char* bad : {"%", "%2", "%zz", "a%2"}) EXPECT_FALSE(percent_decode(bad).ok());
  EXPECT_EQ(percent_encode("a b/ü~", Slash::Keep), "a%20b/%C3%BC~");
  EXPECT_EQ(percent_encode("a/b", Slash::Escape), "a%2Fb");
}

TEST_CASE("query parameters keep their order and repetitions") {
  const auto query = QueryParameters::parse("a=1&b&a=2&c=x+y%26z&&=v");
  REQUIRE(query.ok());
  EXPECT_EQ(*query->get("a"), "1");
  EXPECT_EQ(query->all("a").size(), 2u);
  EXPECT(query->has("b"));
  EXPECT_EQ(*query->get("b"), "");
  EXPECT_EQ(*query->get("c"), "x y&z");
  EXPECT_EQ(*query->get(""), "v");
  EXPECT_FALSE(query->has("d"));
  EXPECT_FALSE(QueryParameters::parse("a=%").ok());
  std::string many;
  for (std::size_t n = 0; n <= kQueryParametersMax; ++n) many += "a&";
  EXPECT_FALSE(QueryParameters::parse(many).ok());
}

TEST_CASE("http URLs are split and others refused") {
  const auto url = HttpUrl::parse("http://host:8080/health?x=1#frag");
  REQUIRE(url.ok());
  EXPECT_EQ(url->host, "host");
  EXPECT_EQ(url->port, 8080);
  EXPECT_EQ(url->target, "/health?x=1");
  EXPECT_EQ(url->host_header(), "host:8080");
  EXPECT_EQ(HttpUrl::parse("http://[::1]")->host, "::1");
  EXPECT_EQ(HttpUrl::parse("http://[::1]")->host_header(), "[::1]");
  EXPECT_EQ(HttpUrl::parse("http://h?q")->target, "/?q");
  for (const char* bad : {"", "https://h/", "http://", "http://:80/", "http://u@h/", "http://h:x/", "http://h:99999/",
                          "http://[::1", "http://[h]/", "http://h/a b", "http://h/\n", "host:80"})
    EXPECT_FALSE(HttpUrl::parse(bad).ok());
}

}  // namespace mesh::net
