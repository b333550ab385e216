// Addresses, endpoints, URLs and query strings: what is accepted prints to something that is read as the same value.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "net/address.h"
#include "net/url.h"

using namespace mesh::net;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto ip = IpAddress::parse(text); ip.ok()) CHECK(*IpAddress::parse(ip->to_string()) == *ip);
  if (const auto address = Address::parse(text); address.ok())
    CHECK(*Address::parse(address->to_string()) == *address);
  if (const auto endpoint = Endpoint::parse(text); endpoint.ok()) {
    CHECK(*Endpoint::parse(endpoint->to_string()) == *endpoint);
    CHECK(!endpoint->is_unix() || endpoint->unix_path().size() <= kUnixPathBytesMax);
  }
  if (const auto url = HttpUrl::parse(text); url.ok()) {
    const auto again = HttpUrl::parse("http://" + url->host_header() + url->target);
    CHECK(again.ok() && again->host == url->host && again->port == url->port && again->target == url->target);
  }
  CHECK(percent_decode(percent_encode(text, Slash::Escape)).value() == text);
  if (const auto query = QueryParameters::parse(text); query.ok()) CHECK(query->items().size() <= kQueryParametersMax);
  return 0;
}
