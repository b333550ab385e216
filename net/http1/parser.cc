#include "net/http1/parser.h"

#include <fmt/core.h>
#include <llhttp.h>

#include <algorithm>
#include <charconv>

#include "base/check.h"

static_assert(LLHTTP_STRICT_MODE == 1, "llhttp must be compiled in strict mode: the default one can be smuggled through");

namespace mesh::net {

namespace {

constexpr std::size_t kEmptyLinesMax = 1;  // before a message; RFC 9112 section 2.2 asks for at least one
// Chunk sizes, extensions and trailers may cost this much, and so many bytes per byte of body.
constexpr std::uint64_t kChunkFramingBytes = 16 * 1024;
constexpr std::uint64_t kChunkFramingPerByte = 16;
constexpr std::string_view kHostBytes = "-._~%!$&'()*+,;=:[]";  // besides letters and digits
constexpr std::size_t kFirstLineReserveBytes = 128;

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7f;
}

std::string_view trim_right(std::string_view text) {
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

struct Http1Parser::Engine {
  explicit Engine(Kind kind) {
    llhttp_settings_init(&settings);
    settings.on_header_field = [](llhttp_t* p, const char* at, size_t size) { return of(p).field(at, size); };
    settings.on_header_value = [](llhttp_t* p, const char* at, size_t size) { return of(p).value(at, size); };
    settings.on_header_value_complete = [](llhttp_t* p) { return of(p).value_complete(); };
    settings.on_headers_complete = [](llhttp_t* p) { return of(p).headers_complete(); };
    settings.on_body = [](llhttp_t* p, const char* at, size_t size) { return of(p).body(at, size); };
    settings.on_message_complete = [](llhttp_t* p) { return of(p).message_complete(); };
    llhttp_init(&parser, kind == Kind::Request ? HTTP_REQUEST : HTTP_RESPONSE, &settings);
    parser.data = this;
  }
  static Engine& of(llhttp_t* parser) { return *static_cast<Engine*>(parser->data); }

  int field(const char* at, std::size_t size) {
    if (!head_complete) name.append(at, size);  // trailers are dropped
    return 0;
  }
  int value(const char* at, std::size_t size) {
    if (!head_complete) text.append(at, size);
    return 0;
  }
  int value_complete() {
    if (head_complete) return 0;
    headers->add(std::move(name), std::string(trim_right(text)));
    name.clear();
    text.clear();
    return 0;
  }
  int headers_complete() {
    head_complete = true;
    parser.upgrade = 0;  // no other protocol is spoken here; a request that offers one is served as it is
    return skip_body ? 1 : 0;
  }
  int body(const char* at, std::size_t size) {
    pieces->emplace_back(at, size);
    return 0;
  }
  int message_complete() {
    complete = true;
    return HPE_PAUSED;
  }
  void reset() {
    llhttp_reset(&parser);
    name.clear();
    text.clear();
    head_complete = false;
    complete = false;
    skip_body = false;
  }

  llhttp_t parser;
  llhttp_settings_t settings;
  HttpHeaders* headers = nullptr;
  std::vector<ByteView>* pieces = nullptr;
  std::string name;
  std::string text;
  bool head_complete = false;
  bool complete = false;
  bool skip_body = false;
};

Http1Parser::Http1Parser(Kind kind, const Http1HeadLimits& limits)
    : limits_(limits), engine_(std::make_unique<Engine>(kind)) {
  engine_->headers = &headers_;
  engine_->pieces = &pieces_;
  first_line_.reserve(kFirstLineReserveBytes);
}

Http1Parser::~Http1Parser() = default;

void Http1Parser::start_next() {
  CHECK(phase_ == Phase::Done, "the message before is not complete");
  engine_->reset();
  headers_.clear();
  first_line_.clear();
  pieces_.clear();
  phase_ = Phase::Head;
  framing_ = Framing::None;
  length_ = left_ = body_bytes_ = framing_bytes_ = 0;
  head_bytes_ = line_bytes_ = lines_ = empty_lines_ = 0;
  after_cr_ = head_over_ = false;
}

Http1Parser::Advance Http1Parser::advance(ByteView input) {
  pieces_.clear();
  switch (phase_) {
    case Phase::Head:
      return advance_head(input);
    case Phase::Body:
      if (framing_ == Framing::None || (framing_ == Framing::Length && left_ == 0)) {
        phase_ = Phase::Done;
        return {Step::End, 0};
      }
      if (input.empty()) return {Step::NeedMore, 0};
      return framing_ == Framing::Chunked ? advance_chunked(input) : advance_length(input);
    case Phase::Done:
      return {Step::End, 0};
    case Phase::Failed:
      break;
  }
  return {Step::Failed, 0};
}

Http1Parser::Advance Http1Parser::finish() {
  pieces_.clear();
  if (phase_ == Phase::Done || (phase_ == Phase::Body && framing_ == Framing::UntilClose)) {
    phase_ = Phase::Done;
    return {Step::End, 0};
  }
  if (phase_ != Phase::Failed) refuse(400, "the connection ended inside a message");
  return failed(0);
}

bool Http1Parser::refuse(int status, std::string reason) {
  failure_ = Http1Failure{status, std::move(reason)};
  return false;
}

Http1Parser::Advance Http1Parser::failed(std::size_t consumed) {
  phase_ = Phase::Failed;
  return {Step::Failed, consumed};
}

// ---- head ----

Http1Parser::Advance Http1Parser::advance_head(ByteView input) {
  std::size_t used = 0;
  if (!scan(input, used)) return failed(used);
  if (!head_over_) return {Step::NeedMore, used};
  if (!engine_->head_complete) {
    refuse(400, "malformed head");
    return failed(used);
  }
  if (!accept_head()) return failed(used);
  left_ = length_;
  phase_ = Phase::Body;
  return {Step::Head, used};
}

// Consumes up to the end of the head; llhttp gets the same bytes, but for empty lines before the message. Where both
// refuse, the earlier byte decides, so that the answer does not depend on how the input is cut.
bool Http1Parser::scan(ByteView input, std::size_t& used) {
  std::size_t first = 0;
  while (used < input.size() && !head_over_) {
    if (!scan_byte(input[used])) {
      const Http1Failure ours = failure_;
      if (feed_engine(input.substr(first, used - first))) failure_ = ours;
      return false;
    }
    ++used;
    if (lines_ == 0 && line_bytes_ == 0 && !after_cr_) first = used;  // an empty line has just ended
  }
  const bool only_cr = lines_ == 0 && line_bytes_ == 0 && after_cr_;
  return only_cr || feed_engine(input.substr(first, used - first));
}

bool Http1Parser::scan_byte(char c) {
  ++head_bytes_;
  if (after_cr_) {
    after_cr_ = false;
    return c == '\n' ? end_line() : refuse(400, "a bare CR in the head");
  }
  if (c == '\r') {
    after_cr_ = true;
    return true;
  }
  if (c == '\n') return refuse(400, "a bare LF in the head");
  if (is_control(c)) return refuse(400, "a control byte in the head");
  if (lines_ == 0) {
    first_line_.push_back(c);
    if (++line_bytes_ > limits_.first_line_bytes_max) return refuse(414, "the request line is too long");
    return true;
  }
  if (line_bytes_ == 0 && (c == ' ' || c == '\t')) return refuse(400, "a folded header line");
  if (line_bytes_ == 0 && c == ':') return refuse(400, "a header without a name");
  if (line_bytes_++ == 0 && lines_ > limits_.headers_count_max) return refuse(431, "too many headers");
  if (head_bytes_ - first_line_.size() > limits_.headers_bytes_max) return refuse(431, "the headers are too long");
  return true;
}

bool Http1Parser::end_line() {
  if (line_bytes_ == 0 && lines_ == 0) {
    head_bytes_ = 0;
    return ++empty_lines_ <= kEmptyLinesMax || refuse(400, "empty lines before the message");
  }
  if (line_bytes_ == 0)
    head_over_ = true;
  else
    ++lines_;
  line_bytes_ = 0;
  return true;
}

bool Http1Parser::feed_engine(ByteView input) {
  if (input.empty()) return true;
  const llhttp_errno_t code = llhttp_execute(&engine_->parser, input.data(), input.size());
  if (code == HPE_OK || (code == HPE_PAUSED && engine_->complete)) return true;
  const char* reason = llhttp_get_error_reason(&engine_->parser);
  return refuse(code == HPE_INVALID_VERSION ? 505 : 400, reason == nullptr || *reason == 0 ? "malformed" : reason);
}

bool Http1Parser::accept_framing(int version_minor, Framing other) {
  const std::size_t lengths = headers_.count("content-length");
  if (headers_.count("transfer-encoding") != 0) {
    const std::string_view coding = *headers_.get("transfer-encoding");
    if (lengths != 0) return refuse(400, "Content-Length together with Transfer-Encoding");
    if (version_minor == 0) return refuse(400, "Transfer-Encoding in HTTP/1.0");
    if (coding.empty() || headers_.count("transfer-encoding") > 1) return refuse(400, "ambiguous Transfer-Encoding");
    if (!equals_ignore_case(coding, "chunked")) return refuse(501, "the only transfer coding is chunked");
    framing_ = Framing::Chunked;
    return true;
  }
  if (lengths == 0) {
    framing_ = other;
    return true;
  }
  const std::string_view text = *headers_.get("content-length");
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, length_);
  if (lengths > 1 || text.empty() || error != std::errc{} || stop != end)
    return refuse(400, "malformed Content-Length");
  framing_ = length_ == 0 ? Framing::None : Framing::Length;
  return true;
}

// ---- body ----

Http1Parser::Advance Http1Parser::advance_length(ByteView input) {
  if (framing_ == Framing::Length) {
    input = input.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, input.size())));
    left_ -= input.size();
  }
  pieces_.push_back(input);
  return {Step::Body, input.size()};
}

Http1Parser::Advance Http1Parser::advance_chunked(ByteView input) {
  std::size_t used = input.size();
  if (!feed_engine(input)) {
    const auto refused = failed(used);
    return pieces_.empty() ? refused : Advance{Step::Body, used};  // what came before; then Failed
  }
  if (engine_->complete) used = static_cast<std::size_t>(llhttp_get_error_pos(&engine_->parser) - input.data());
  std::size_t body = 0;
  for (const ByteView& piece : pieces_) body += piece.size();
  body_bytes_ += body;
  framing_bytes_ += used - std::min(used, body);
  if (framing_bytes_ > kChunkFramingBytes + kChunkFramingPerByte * body_bytes_) {
    refuse(400, "chunk extensions or trailers are too long");
    return failed(used);
  }
  if (engine_->complete) {
    framing_ = Framing::None;
    if (pieces_.empty()) phase_ = Phase::Done;
  }
  return {!pieces_.empty() ? Step::Body : engine_->complete ? Step::End : Step::NeedMore, used};
}

// ---- requests ----

Http1RequestParser::Http1RequestParser(const Http1HeadLimits& limits) : Http1Parser(Kind::Request, limits) {}

HttpRequest Http1RequestParser::take_head() { return std::exchange(request_, {}); }

bool Http1RequestParser::accept_head() {
  if (!accept_request_line() || !accept_host() || !accept_framing(request_.version_minor, Framing::None)) return false;
  keep_alive_ = request_.version_minor == 1 ? !headers_.has_token("connection", "close")
                                            : headers_.has_token("connection", "keep-alive");
  request_.headers = std::move(headers_);
  headers_.clear();
  return true;
}

// RFC 9112 section 3: method SP request-target SP HTTP-version, with single spaces.
bool Http1RequestParser::accept_request_line() {
  const std::string_view line = first_line_;
  const std::size_t first = line.find(' ');
  const std::size_t last = line.rfind(' ');
  if (first == line.npos || last == first || line.find(' ', first + 1) != last)
    return refuse(400, "malformed request line");
  const std::string_view version = line.substr(last + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return refuse(505, "only HTTP/1.1 and HTTP/1.0 are spoken here");
  request_.version_minor = version.back() - '0';
  request_.method_text = line.substr(0, first);
  request_.target = line.substr(first + 1, last - first - 1);
  if (request_.target.empty()) return refuse(400, "empty request target");
  request_.method = method_of(request_.method_text);
  if (request_.method == HttpMethod::Other || request_.method == HttpMethod::Connect)
    return refuse(501, "the method is not known here");
  return true;
}

// RFC 9112 section 3.2: exactly one Host in HTTP/1.1, else 400.
bool Http1RequestParser::accept_host() {
  const std::size_t hosts = headers_.count("host");
  if (hosts > 1) return refuse(400, "more than one Host");
  if (hosts == 0) return request_.version_minor == 0 || refuse(400, "no Host");
  const std::string_view host = *headers_.get("host");
  const bool good = std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kHostBytes.find(c) != kHostBytes.npos;
  });
  return good || refuse(400, "malformed Host");
}

// ---- responses ----

Http1ResponseParser::Http1ResponseParser(const Http1HeadLimits& limits) : Http1Parser(Kind::Response, limits) {}

HttpResponse Http1ResponseParser::take_head() { return std::exchange(response_, {}); }

// RFC 9112 section 4: HTTP-version SP 3DIGIT SP [reason]. Body length by section 6.3.
bool Http1ResponseParser::accept_head() {
  const std::string_view line = first_line_;
  if (line.size() < 12 || !(line.starts_with("HTTP/1.1 ") || line.starts_with("HTTP/1.0 ")) ||
      (line.size() > 12 && line[12] != ' '))
    return refuse(400, "malformed status line");
  const int minor = line[7] - '0';
  const auto [stop, error] = std::from_chars(line.data() + 9, line.data() + 12, response_.status);
  if (error != std::errc{} || stop != line.data() + 12 || response_.status < 100) return refuse(400, "malformed status");
  if (!accept_framing(minor, Framing::UntilClose)) return false;
  const bool bodiless = no_body_ || response_.status < 200 || response_.status == 204 || response_.status == 304;
  if (bodiless) framing_ = Framing::None;
  keep_alive_ = framing_ != Framing::UntilClose && (minor == 1 ? !headers_.has_token("connection", "close")
                                                               : headers_.has_token("connection", "keep-alive"));
  response_.headers = std::move(headers_);
  headers_.clear();
  return true;
}

}  // namespace mesh::net
