#include "agent/checks/target.h"

#include "tests/test.h"

namespace mesh::agent {
namespace {

std::string host_port(std::string_view text) {
  const auto parsed = parse_host_port(text);
  return parsed.ok() ? parsed->host + "|" + std::to_string(parsed->port) : std::string(code_name(parsed.error().code));
}

TEST_CASE("the target of a TCP check is a host and a port") {
  EXPECT_EQ(host_port("127.0.0.1:80"), "127.0.0.1|80");
  EXPECT_EQ(host_port("db.internal:5432"), "db.internal|5432");
  EXPECT_EQ(host_port("[fd00::1]:65535"), "fd00::1|65535");
  const std::string invalid(code_name(Code::Invalid));
  for (const auto* text : {"", "localhost", ":80", "host:", "host:0", "host:65536", "host:8a", "fd00::1:80", "[host]:80",
                           "[]:80", "[fd00::1:80", "host:80:80"}) {
    CAPTURE(text);
    EXPECT_EQ(host_port(text), invalid);
  }
}

std::string redirect(std::string_view from, std::string_view location) {
  const auto target = redirect_target(net::HttpUrl::parse(from).value(), location);
  if (!target.ok()) return std::string(code_name(target.error().code));
  return "http://" + target->host_header() + target->target;
}

TEST_CASE("a Location is read relative to the URL that gave it") {
  constexpr std::string_view kFrom = "http://a:8080/b/c/d?q";
  struct Row {
    std::string_view location;
    std::string_view expected;
  };
  const Row rows[] = {
      {"http://other/x?y", "http://other/x?y"},
      {"HTTP://other", "http://other/"},
      {"//other:81/x", "http://other:81/x"},
      {"/x", "http://a:8080/x"},
      {"x", "http://a:8080/b/c/x"},
      {"x?y=/../z", "http://a:8080/b/c/x?y=/../z"},
      {"./x", "http://a:8080/b/c/x"},
      {"../x/", "http://a:8080/b/x/"},
      {"../../..", "http://a:8080/"},
      {"..", "http://a:8080/b/"},
      {"/x/./y/../z//", "http://a:8080/x/z//"},
      {"?p", "http://a:8080/b/c/d?p"},
      {"", "http://a:8080/b/c/d?q"},
      {"x#part", "http://a:8080/b/c/x"},
      {"x/a:b", "http://a:8080/b/c/x/a:b"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.location);
    EXPECT_EQ(redirect(kFrom, row.location), row.expected);
  }
  EXPECT_EQ(redirect("http://[fd00::1]:81", "x"), "http://[fd00::1]:81/x");
}

TEST_CASE("a Location that no check can follow is refused with its reason") {
  const std::string unsupported(code_name(Code::Unsupported));
  const std::string invalid(code_name(Code::Invalid));
  EXPECT_EQ(redirect("http://a/", "https://a/"), unsupported);
  EXPECT_EQ(redirect("http://a/", "HTTPS://a/"), unsupported);
  for (const auto* location : {"ftp://a/", "a:80", "//", "http://", "http:x", "/with space", "http://u@a/"}) {
    CAPTURE(location);
    EXPECT_EQ(redirect("http://a/", location), invalid);
  }
}

TEST_CASE("https says that it is not offered yet") {
  const auto refused = parse_check_url("https://127.0.0.1/health");
  REQUIRE_FALSE(refused.ok());
  EXPECT(error_text(refused).find("not offered yet") != std::string::npos);
}

}  // namespace
}  // namespace mesh::agent
