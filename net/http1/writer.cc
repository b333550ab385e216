#include "net/http1/writer.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <ctime>

namespace mesh::net {

namespace {

constexpr std::array<std::string_view, 5> kOurs = {"Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive",
                                                   "Date"};
constexpr std::size_t kHeadReserveBytes = 256;
constexpr std::string_view kTokenBytes = "!#$%&'*+-.^_`|~";  // besides letters and digits

void append(std::string& out, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts) out.append(part);
}

bool is_ours(std::string_view name) {
  return std::any_of(kOurs.begin(), kOurs.end(), [name](auto own) { return equals_ignore_case(own, name); });
}

void append_headers(std::string& out, const HttpHeaders& headers, std::string_view also_ours) {
  for (const auto& [name, value] : headers.fields()) {
    const bool ours = is_ours(name) || equals_ignore_case(name, also_ours);
    if (!ours && valid_header_name(name) && valid_header_value(value)) append(out, {name, ": ", value, "\r\n"});
  }
}

void append_framing(std::string& out, const Http1Framing& framing) {
  if (framing.content_length) append(out, {"Content-Length: ", std::to_string(*framing.content_length), "\r\n"});
  if (framing.chunked) out.append("Transfer-Encoding: chunked\r\n");
  if (framing.connection == Http1Framing::Connection::Close) out.append("Connection: close\r\n");
  if (framing.connection == Http1Framing::Connection::KeepAlive) out.append("Connection: keep-alive\r\n");
  out.append("\r\n");
}

}  // namespace

std::string write_response_head(const HttpResponse& response, const Http1Framing& framing, std::string_view date) {
  std::string out;
  out.reserve(kHeadReserveBytes);
  append(out, {"HTTP/1.1 ", std::to_string(response.status), " ", reason_phrase(response.status), "\r\n"});
  append(out, {"Date: ", date, "\r\n"});
  append_headers(out, response.headers, {});
  append_framing(out, framing);
  return out;
}

std::string write_request_head(const HttpRequest& request, std::string_view host, const Http1Framing& framing) {
  std::string out;
  out.reserve(kHeadReserveBytes);
  append(out, {request.method_text, " ", request.target, " HTTP/1.1\r\nHost: ", host, "\r\n"});
  append_headers(out, request.headers, "Host");
  append_framing(out, framing);
  return out;
}

bool valid_request_target(std::string_view target) {
  return !target.empty() && std::all_of(target.begin(), target.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

bool valid_header_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kTokenBytes.find(c) != kTokenBytes.npos;
  });
}

bool valid_header_value(std::string_view value) {
  return std::none_of(value.begin(), value.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
  });
}

std::string http_date(WallTime when) {
  constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t second = duration_cast<seconds>(when.time_since_epoch()).count();
  std::tm utc{};
  gmtime_r(&second, &utc);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[static_cast<std::size_t>(utc.tm_wday)], utc.tm_mday,
                     kMonths[static_cast<std::size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
                     utc.tm_sec);
}

}  // namespace mesh::net
