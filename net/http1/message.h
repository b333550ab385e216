// HTTP messages as values: headers, request, response. Any thread; the message owns its bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace mesh::net {

// In the order received or to be sent. Names compare without regard to case (RFC 9110 section 5.1).
class HttpHeaders {
 public:
  using Field = std::pair<std::string, std::string>;

  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  void set(std::string_view name, std::string value);  // replaces every field of that name
  void remove(std::string_view name);
  // The first field of that name.
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const;
  [[nodiscard]] std::size_t count(std::string_view name) const;
  // True if a comma-separated list in any field of that name has the token (RFC 9110 section 5.6.1).
  [[nodiscard]] bool has_token(std::string_view name, std::string_view token) const;

  [[nodiscard]] const std::vector<Field>& fields() const { return fields_; }
  [[nodiscard]] std::vector<Field>& fields() { return fields_; }
  void clear() { fields_.clear(); }

 private:
  std::vector<Field> fields_;
};

[[nodiscard]] bool equals_ignore_case(std::string_view a, std::string_view b);

enum class HttpMethod : std::uint8_t { Get, Head, Post, Put, Delete, Connect, Options, Trace, Patch, Other };
[[nodiscard]] std::string_view method_name(HttpMethod method);  // "GET"; REQUIRES not Other
[[nodiscard]] HttpMethod method_of(std::string_view name);           // case counts (RFC 9110 section 9.1)

struct HttpRequest {
  HttpMethod method = HttpMethod::Get;
  std::string method_text = "GET";
  std::string target = "/";  // as on the request line, not decoded; see net/url.h for the parts
  int version_minor = 1;
  HttpHeaders headers{};
  Bytes body{};

  [[nodiscard]] std::string_view path() const;   // of the target, up to '?', not decoded
  [[nodiscard]] std::string_view query() const;  // after '?', not decoded
};

struct HttpResponse {
  int status = 200;
  HttpHeaders headers;  // framing headers (Content-Length, Transfer-Encoding, Connection) are ours: dropped if given
  Bytes body;
};

// "Not Found"; "Unknown" for numbers without a registered phrase.
[[nodiscard]] std::string_view reason_phrase(int status);

// A plain-text response: the text and a newline.
[[nodiscard]] HttpResponse text_response(int status, std::string_view text);

}  // namespace mesh::net
