// Requests: the same messages come out however the bytes are cut, and a head that was accepted, written anew, is read as
// the same request. The first byte chooses the cut.
#include <cstdint>

#include "net/http1/writer.h"
#include "tests/fuzz/http1_feed.h"

using namespace mesh::net;

namespace {

std::string print_head(Http1RequestParser& parser) {
  const HttpRequest request = parser.take_head();
  CHECK(valid_request_target(request.target));
  CHECK(request.method != HttpMethod::Other && request.method != HttpMethod::Connect);
  CHECK(request.headers.count("host") <= 1 && request.headers.count("content-length") <= 1);
  CHECK(!parser.chunked() || !request.headers.get("content-length").has_value());
  std::string text = request.method_text + " " + request.target;
  for (const auto& [name, value] : request.headers.fields()) {
    CHECK(valid_header_name(name) && valid_header_value(value), "{}: {}", name, value);
    text += "\n" + name + ":" + value;
  }
  Http1RequestParser again;
  const auto head = write_request_head(request, "h", {.content_length = parser.content_length()});
  CHECK(again.advance(head).step == Http1Parser::Step::Head, "{}", again.failure().reason);
  const HttpRequest same = again.take_head();
  CHECK(same.method == request.method && same.target == request.target);
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t cut = data[0] + std::size_t{1};
  Http1RequestParser whole, split, single;
  const auto at_once = feed_http1(whole, input, input.size() + 1, 1, print_head);
  CHECK(feed_http1(split, input, cut, cut, print_head).text == at_once.text);
  CHECK(feed_http1(single, input, 1, 1, print_head).text == at_once.text);
  return 0;
}
