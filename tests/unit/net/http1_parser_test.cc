#include "net/http1/parser.h"

#include "net/http1/writer.h"
#include "tests/test.h"

namespace mesh::net {

namespace {

struct Parsed {
  HttpRequest request;
  Bytes body;
  Http1Failure failure;
  bool complete = false;
  bool failed = false;
  bool keep_alive = false;
  std::size_t left = 0;  // input after the message
};

// Feeds the input in pieces of the given size.
Parsed parse(ByteView input, std::size_t piece_bytes = 1 << 20, const Http1HeadLimits& limits = {}) {
  Http1RequestParser parser(limits);
  Parsed parsed;
  std::size_t at = 0;
  for (std::size_t end = std::min(piece_bytes, input.size());; end = std::min(end + piece_bytes, input.size())) {
    for (bool more = true; more;) {
      const auto advance = parser.advance(input.substr(at, end - at));
      at += advance.consumed;
      using enum Http1Parser::Step;
      if (advance.step == Head) parsed.request = parser.take_head();
      for (const ByteView piece : parser.pieces()) parsed.body.append(piece);
      parsed.complete = advance.step == End;
      parsed.failed = advance.step == Failed;
      parsed.failure = parser.failure();
      parsed.keep_alive = parser.keep_alive();
      parsed.left = input.size() - at;
      if (parsed.complete || parsed.failed) return parsed;
      more = advance.step != NeedMore;
    }
    if (end == input.size()) return parsed;
  }
}

int status_of(ByteView input) {
  const Parsed whole = parse(input);
  const Parsed split = parse(input, 1);
  EXPECT_EQ(whole.failed, split.failed);
  EXPECT_EQ(whole.failure.status, split.failure.status);
  return whole.failed ? whole.failure.status : 0;
}

std::string with(std::string_view headers, std::string_view rest = "") {
  return "POST /x HTTP/1.1\r\nHost: a\r\n" + std::string(headers) + "\r\n" + std::string(rest);
}

}  // namespace

TEST_CASE("a request is the same however its bytes are split") {
  const std::string text =
      "PUT /v1/kv/a%20b?dc=dc1 HTTP/1.1\r\nHost: mesh:8500\r\nX-Empty:\r\nX-Spaces: \t a b \t\r\nContent-Length: 5\r\n\r\n"
      "hello";
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    const Parsed parsed = parse(text, piece);
    REQUIRE(parsed.complete);
    EXPECT(parsed.request.method == HttpMethod::Put);
    EXPECT_EQ(parsed.request.target, "/v1/kv/a%20b?dc=dc1");
    EXPECT_EQ(parsed.request.path(), "/v1/kv/a%20b");
    EXPECT_EQ(parsed.request.query(), "dc=dc1");
    REQUIRE_EQ(parsed.request.headers.fields().size(), 4u);
    EXPECT_EQ(*parsed.request.headers.get("x-empty"), "");
    EXPECT_EQ(*parsed.request.headers.get("X-SPACES"), "a b");
    EXPECT_EQ(parsed.body, "hello");
    EXPECT(parsed.keep_alive);
    EXPECT_EQ(parsed.left, 0u);
  }
}

TEST_CASE("a chunked body is decoded, its trailers are dropped, and what follows is left") {
  const std::string text = with("Transfer-Encoding: chunked\r\n",
                                "5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\nGET / HTTP/1.1\r\n");
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    const Parsed parsed = parse(text, piece);
    REQUIRE(parsed.complete);
    EXPECT_EQ(parsed.body, "hello world");
    EXPECT_FALSE(parsed.request.headers.get("x-trailer").has_value());
    if (piece == text.size()) EXPECT_EQ(parsed.left, std::string_view("GET / HTTP/1.1\r\n").size());
  }
}

TEST_CASE("keep-alive follows the version and the Connection header") {
  EXPECT(parse("GET / HTTP/1.1\r\nHost: a\r\n\r\n").keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n").keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n").keep_alive);
  EXPECT(parse("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
}

TEST_CASE("one empty line before a request is skipped, an offer of another protocol is ignored") {
  EXPECT(parse("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").complete);
  EXPECT(parse("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 1).complete);
  EXPECT_EQ(status_of("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  const Parsed offer = parse("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nGET");
  EXPECT(offer.complete);
  EXPECT_EQ(offer.left, 3u);
}

TEST_CASE("what could be read in two ways is refused with 400") {
  // Framing.
  EXPECT_EQ(status_of(with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")), 400);
  EXPECT_EQ(status_of(with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n")), 400);
  EXPECT_EQ(status_of(with("Content-Length: 5\r\nContent-Length: 5\r\n", "hello")), 400);
  EXPECT_EQ(status_of(with("Content-Length: 5, 5\r\n", "hello")), 400);
  EXPECT_EQ(status_of(with("Content-Length: +5\r\n", "hello")), 400);
  EXPECT_EQ(status_of(with("Content-Length: -5\r\n", "hello")), 400);
  EXPECT_EQ(status_of(with("Content-Length: 0x5\r\n", "hello")), 400);
  EXPECT_EQ(status_of(with("Content-Length: 99999999999999999999\r\n", "hello")), 400);
  EXPECT_EQ(status_of(with("Content-Length:\r\n", "hello")), 400);
  EXPECT_EQ(status_of(with("Content-Length:\r\n 5\r\n", "hello")), 400);
  EXPECT_EQ(status_of(with("Transfer-Encoding:\r\nContent-Length: 5\r\n", "hello")), 400);
  EXPECT_EQ(status_of(with("Transfer-Encoding:\r\n", "hello")), 400);
  EXPECT_EQ(status_of(with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n")), 400);
  EXPECT_NE(status_of(with("Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n")), 0);
  EXPECT_NE(status_of(with("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n")), 0);
  EXPECT_NE(status_of(with("Transfer-Encoding: gzip\r\n", "0\r\n\r\n")), 0);
  EXPECT_NE(status_of(with("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n")), 0);
  EXPECT_EQ(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400);
  // Lines.
  EXPECT_EQ(status_of(with("X: a\r\n b\r\n")), 400);
  EXPECT_EQ(status_of(with("X: a\r\n\tb\r\n")), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), 400);
  EXPECT_EQ(status_of(with("X: a\nY: b\r\n")), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\nHost: a\n\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\n\n"), 400);
  EXPECT_EQ(status_of(with("X: a\rTransfer-Encoding: chunked\r\n")), 400);
  EXPECT_EQ(status_of(with(std::string_view("X: a\0b\r\n", 8))), 400);
  EXPECT_EQ(status_of(with("X: a\x01\r\n")), 400);
  EXPECT_EQ(status_of(with(": empty name\r\n")), 400);
  EXPECT_EQ(status_of(with("X : space before colon\r\n")), 400);
  EXPECT_EQ(status_of(with("X\r\n")), 400);
  EXPECT_EQ(status_of(with("(X): y\r\n")), 400);
  // Host.
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a@b\r\n\r\n"), 400);
  // Chunks.
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  EXPECT_EQ(status_of(with(chunked, "x\r\n")), 400);
  EXPECT_EQ(status_of(with(chunked, "-1\r\n")), 400);
  EXPECT_EQ(status_of(with(chunked, "5\nhello\r\n0\r\n\r\n")), 400);
  EXPECT_EQ(status_of(with(chunked, "5\r\nhelloworld\r\n")), 400);
  EXPECT_EQ(status_of(with(chunked, "fffffffffffffffff\r\n")), 400);
  EXPECT_EQ(status_of(with(chunked, "0;" + std::string(64 * 1024, 'e') + "\r\n\r\n")), 400);
  EXPECT_EQ(status_of(with(chunked, "0\r\nX: " + std::string(64 * 1024, 't') + "\r\n\r\n")), 400);
}

TEST_CASE("the request line is read strictly") {
  const auto line = [](std::string_view text) { return status_of(std::string(text) + "\r\nHost: a\r\n\r\n"); };
  EXPECT_EQ(line("GET / HTTP/1.1"), 0);
  EXPECT_EQ(line("OPTIONS * HTTP/1.1"), 0);
  EXPECT_EQ(line("GET http://a/x HTTP/1.1"), 0);
  EXPECT_EQ(line("GET  / HTTP/1.1"), 400);
  EXPECT_EQ(line("GET /  HTTP/1.1"), 400);
  EXPECT_NE(line("GET / HTTP/1.1 "), 0);
  EXPECT_EQ(line(" GET / HTTP/1.1"), 400);
  EXPECT_EQ(line("GET /"), 400);
  EXPECT_EQ(line("GET /a b HTTP/1.1"), 400);
  EXPECT_EQ(line("GET /\x80 HTTP/1.1"), 400);
  EXPECT_EQ(line("get / HTTP/1.1"), 400);
  EXPECT_NE(line("NONSENSE / HTTP/1.1"), 0);
  EXPECT_NE(line("GET / HTTP/1.2"), 0);
  EXPECT_NE(line("GET / HTTP/2.0"), 0);
  EXPECT_NE(line("GET / http/1.1"), 0);
  EXPECT_NE(line("OPTIONS * RTSP/1.0"), 0);
  EXPECT_NE(line("SOURCE /x ICE/1.0"), 0);
  EXPECT_EQ(line("CONNECT a:443 HTTP/1.1"), 501);
  EXPECT_EQ(line("PROPFIND / HTTP/1.1"), 501);
  EXPECT_NE(status_of("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 0);
}

TEST_CASE("limits of the head have their own status") {
  const Http1HeadLimits limits{.first_line_bytes_max = 100, .headers_bytes_max = 200, .headers_count_max = 4};
  const auto status = [&limits](const std::string& text) {
    const Parsed parsed = parse(text, 7, limits);
    return parsed.failed ? parsed.failure.status : 0;
  };
  EXPECT_EQ(status("GET /" + std::string(80, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
  EXPECT_EQ(status("GET /" + std::string(100, 'x')), 414);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(200, 'x')), 431);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 1\r\nC: 1\r\n\r\n"), 0);
  EXPECT_EQ(status("GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\n\r\n"), 431);
}

TEST_CASE("an answer is framed by length, chunks, its status or the end of the connection") {
  const auto body_of = [](std::string_view text, bool head = false) {
    Http1ResponseParser parser;
    parser.expect_no_body(head);
    Bytes body;
    for (std::string_view input = text;;) {
      const auto advance = parser.advance(input);
      input.remove_prefix(advance.consumed);
      for (const ByteView piece : parser.pieces()) body.append(piece);
      if (advance.step == Http1Parser::Step::End) return body + (input.empty() ? "" : "+left");
      if (advance.step == Http1Parser::Step::Failed) return Bytes("failed");
      if (advance.step == Http1Parser::Step::NeedMore)
        return parser.finish().step == Http1Parser::Step::End ? body + "+closed" : Bytes("cut");
    }
  };
  EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcX"), "abc+left");
  EXPECT_EQ(body_of("HTTP/1.1 200\r\nContent-Length: 3\r\n\r\nabc"), "abc");
  EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), "abc");
  EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\n\r\nabc"), "abc+closed");
  EXPECT_EQ(body_of("HTTP/1.1 204 No Content\r\n\r\nX"), "+left");
  EXPECT_EQ(body_of("HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n"), "");
  EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", true), "");
  EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"), "cut");
  EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab"), "cut");
  EXPECT_EQ(body_of("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"), "failed");
  EXPECT_EQ(body_of("HTTP/1.1 20 OK\r\n\r\n"), "failed");
  EXPECT_EQ(body_of("SSH-2.0-OpenSSH\r\n"), "failed");
}

TEST_CASE("heads are written with our framing and without what could end a line") {
  HttpResponse response = text_response(200, "hi");
  response.headers.add("content-length", "99");
  response.headers.add("X-Bad", "a\r\nSet-Cookie: b");
  response.headers.add("Bad Name", "x");
  response.headers.add("X-Good", "y");
  EXPECT_EQ(write_response_head(response, {.content_length = 3}, "D"),
            "HTTP/1.1 200 OK\r\nDate: D\r\nContent-Type: text/plain; charset=utf-8\r\nX-Good: y\r\nContent-Length: "
            "3\r\n\r\n");
  EXPECT_EQ(http_date(WallTime(seconds(784111777))), "Sun, 06 Nov 1994 08:49:37 GMT");
}

}  // namespace mesh::net
