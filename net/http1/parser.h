// Incremental HTTP/1.x message parsers: a core without I/O. llhttp (strict mode) does grammar and chunk framing; what it
// lets through is refused here. One thread per instance; views into the input live until the next call.
//
// Every head is read twice, by llhttp and by a scanner of ours that knows only lines; where the two disagree about its
// end the message is refused. Refused in heads: bare CR or LF, NUL and other control bytes, obs-fold (RFC 9112 section
// 5.2), empty header names, more than one empty line before a message, anything but single spaces in the request line,
// Transfer-Encoding together with Content-Length or on HTTP/1.0 or other than "chunked", repeated Content-Length, a
// missing, repeated or malformed Host, methods that are not HTTP's, protocols other than HTTP/1.0 and 1.1.
//
// Use: call advance() with the input until it says NeedMore (everything is consumed); after End call start_next().
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "net/http1/message.h"

namespace mesh::net {

struct Http1HeadLimits {
  std::size_t first_line_bytes_max = 16 * 1024;
  std::size_t headers_bytes_max = 32 * 1024;
  std::size_t headers_count_max = 128;
};

// Why a message was refused. For requests status is the answer to give; the connection is closed in any case.
struct Http1Failure {
  int status = 400;
  std::string reason;
};

class Http1Parser {
 public:
  enum class Step {
    NeedMore,  // all input is consumed
    Head,      // first line and headers are complete
    Body,      // pieces() holds body bytes
    End,       // the message is complete; input after it is not consumed
    Failed,    // failure() says why; the parser is of no further use
  };
  struct Advance {
    Step step;
    std::size_t consumed;
  };

  virtual ~Http1Parser();
  Http1Parser(const Http1Parser&) = delete;
  Http1Parser& operator=(const Http1Parser&) = delete;

  Advance advance(ByteView input);
  // The peer will send no more: End for a body that the end of the connection delimits, else Failed.
  Advance finish();
  void start_next();

  [[nodiscard]] const std::vector<ByteView>& pieces() const { return pieces_; }
  [[nodiscard]] const Http1Failure& failure() const { return failure_; }
  [[nodiscard]] bool untouched() const { return phase_ == Phase::Head && head_bytes_ == 0; }  // no byte of it seen yet
  // From Head on.
  [[nodiscard]] bool chunked() const { return framing_ == Framing::Chunked; }
  [[nodiscard]] bool has_body() const { return framing_ != Framing::None; }
  [[nodiscard]] bool until_close() const { return framing_ == Framing::UntilClose; }
  [[nodiscard]] std::optional<std::uint64_t> content_length() const {
    return framing_ == Framing::Length ? std::optional(length_) : std::nullopt;
  }

 protected:
  enum class Framing { None, Length, Chunked, UntilClose };
  enum class Kind { Request, Response };

  Http1Parser(Kind kind, const Http1HeadLimits& limits);

  // Called when the head is complete: checks it, sets framing_ and length_. False: failure_ is set.
  virtual bool accept_head() = 0;
  bool refuse(int status, std::string reason);
  // Content-Length and Transfer-Encoding by RFC 9112 section 6. `other` applies when neither is there.
  bool accept_framing(int version_minor, Framing other);

  HttpHeaders headers_;
  std::string first_line_;  // without its CRLF
  Framing framing_ = Framing::None;
  std::uint64_t length_ = 0;
  Http1HeadLimits limits_;

 private:
  struct Engine;  // llhttp
  enum class Phase { Head, Body, Done, Failed };

  Advance advance_head(ByteView input);
  Advance advance_length(ByteView input);
  Advance advance_chunked(ByteView input);
  bool scan(ByteView input, std::size_t& used);
  bool scan_byte(char c);
  bool end_line();
  bool feed_engine(ByteView input);
  Advance failed(std::size_t consumed);

  std::unique_ptr<Engine> engine_;
  std::vector<ByteView> pieces_;
  Http1Failure failure_;
  Phase phase_ = Phase::Head;
  std::uint64_t left_ = 0;            // Length: still to come
  std::uint64_t body_bytes_ = 0;      // Chunked: so far
  std::uint64_t framing_bytes_ = 0;   // Chunked: sizes, extensions and trailers so far
  std::size_t head_bytes_ = 0;
  std::size_t line_bytes_ = 0;
  std::size_t lines_ = 0;
  std::size_t empty_lines_ = 0;
  bool after_cr_ = false;
  bool head_over_ = false;
};

class Http1RequestParser final : public Http1Parser {
 public:
  explicit Http1RequestParser(const Http1HeadLimits& limits = {});

  // The head, once, after Step::Head; its body is empty.
  [[nodiscard]] HttpRequest take_head();
  [[nodiscard]] bool keep_alive() const { return keep_alive_; }

 private:
  bool accept_head() override;
  bool accept_request_line();
  bool accept_host();

  HttpRequest request_;
  bool keep_alive_ = true;
};

class Http1ResponseParser final : public Http1Parser {
 public:
  explicit Http1ResponseParser(const Http1HeadLimits& limits = {});

  // Whether the next answer belongs to a HEAD request and so has no body.
  void expect_no_body(bool no_body) { no_body_ = no_body; }
  [[nodiscard]] HttpResponse take_head();
  [[nodiscard]] bool keep_alive() const { return keep_alive_; }

 private:
  bool accept_head() override;

  HttpResponse response_;
  bool no_body_ = false;
  bool keep_alive_ = true;
};

}  // namespace mesh::net
