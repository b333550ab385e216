// Targets of TCP checks, and Locations that a checked service sends: what comes out can be connected to and requested.
#include <cstdint>
#include <string_view>

#include "agent/checks/target.h"
#include "base/check.h"

using namespace mesh;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto target = agent::parse_host_port(text); target.ok()) CHECK(!target->host.empty() && target->port != 0);
  const auto from = net::HttpUrl::parse("http://[fd00::1]:81/a/b/c?q");
  if (const auto url = agent::redirect_target(*from, text); url.ok()) {
    CHECK(!url->host.empty() && url->target.starts_with('/'));
    const auto again = net::HttpUrl::parse("http://" + url->host_header() + url->target);
    CHECK(again.ok() && again->host == url->host && again->port == url->port && again->target == url->target);
    // Dot segments are gone from what was made of a path: reading it again changes nothing.
    const auto same = agent::redirect_target(*url, url->target);
    CHECK(url->target.starts_with("//") || (same.ok() && same->host == url->host));
  }
  return 0;
}
