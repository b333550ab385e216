// Runs an HTTP/1 parser over an input in pieces and records what came out, so that two ways of cutting can be compared.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include "base/check.h"
#include "net/http1/parser.h"

namespace mesh::net {

struct FedMessages {
  std::string text;  // heads as the caller prints them, bodies, and how it ended
  std::size_t messages = 0;
};

// print_head(parser) is asked after each head. `first` and then `step` bytes are given at a time; both at least 1.
template <class Parser, class PrintHead>
FedMessages feed_http1(Parser& parser, ByteView input, std::size_t first, std::size_t step, PrintHead print_head) {
  FedMessages fed;
  std::size_t at = 0;
  std::size_t body = 0;
  for (std::size_t end = std::min(first, input.size());; end = std::min(end + step, input.size())) {
    for (bool more = true; more;) {
      const auto advance = parser.advance(input.substr(at, end - at));
      CHECK(advance.consumed <= end - at);
      at += advance.consumed;
      for (const ByteView piece : parser.pieces()) {
        fed.text.append(piece);
        body += piece.size();
      }
      CHECK(body <= input.size(), "more body than input");
      switch (advance.step) {
        case Http1Parser::Step::Head:
          fed.text += print_head(parser);
          break;
        case Http1Parser::Step::End:
          fed.text += "|end|";
          ++fed.messages;
          parser.start_next();
          break;
        case Http1Parser::Step::Failed:
          fed.text += "|failed " + std::to_string(parser.failure().status);
          return fed;
        case Http1Parser::Step::NeedMore:
          CHECK(at == end, "input is left over");
          more = false;
          break;
        case Http1Parser::Step::Body:
          break;
      }
    }
    if (end == input.size()) break;
  }
  fed.text += parser.finish().step == Http1Parser::Step::End ? "|closed" : "|cut";
  return fed;
}

}  // namespace mesh::net
