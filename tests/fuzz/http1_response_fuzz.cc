// Answers: the same messages come out however the bytes are cut. Of the first byte, the lowest bit says that the request
// was HEAD, the others choose the cut.
#include <cstdint>

#include "net/http1/writer.h"
#include "tests/fuzz/http1_feed.h"

using namespace mesh::net;

namespace {

std::string print_head(Http1ResponseParser& parser) {
  const HttpResponse response = parser.take_head();
  CHECK(response.status >= 100 && response.status <= 999);
  std::string text = std::to_string(response.status);
  for (const auto& [name, value] : response.headers.fields()) {
    CHECK(valid_header_name(name) && valid_header_value(value), "{}: {}", name, value);
    text += "\n" + name + ":" + value;
  }
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t cut = data[0] / 2 + std::size_t{1};
  Http1ResponseParser whole, split, single;
  for (Http1ResponseParser* parser : {&whole, &split, &single}) parser->expect_no_body((data[0] & 1) != 0);
  const auto at_once = feed_http1(whole, input, input.size() + 1, 1, print_head);
  CHECK(feed_http1(split, input, cut, cut, print_head).text == at_once.text);
  CHECK(feed_http1(single, input, 1, 1, print_head).text == at_once.text);
  return 0;
}
