#include "net/url.h"

#include <fmt/core.h>

#include "net/address.h"

namespace mesh::net {

namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

enum class Plus { Literal, Space };

Result<std::string> decode(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t n = 0; n < text.size(); ++n) {
    if (text[n] == '+' && plus == Plus::Space) {
      out.push_back(' ');
    } else if (text[n] == '%') {
      const int high = n + 2 < text.size() ? hex_value(text[n + 1]) : -1;
      const int low = n + 2 < text.size() ? hex_value(text[n + 2]) : -1;
      if (high < 0 || low < 0)
        return error(Code::Invalid, "\"{}\" has a malformed % escape", text.substr(0, 128));
      out.push_back(static_cast<char>(high * 16 + low));
      n += 2;
    } else {
      out.push_back(text[n]);
    }
  }
  return out;
}

}  // namespace

Result<std::string> percent_decode(std::string_view text) { return decode(text, Plus::Literal); }

std::string percent_encode(std::string_view text, Slash slash) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.' ||
                       c == '_' || c == '~' || (c == '/' && slash == Slash::Keep);
    if (plain)
      out.push_back(c);
    else
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

Result<QueryParameters> QueryParameters::parse(std::string_view query) {
  QueryParameters parameters;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view item = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (item.empty()) continue;
    if (parameters.items_.size() == kQueryParametersMax)
      return error(Code::Invalid, "more than {} query parameters", kQueryParametersMax);
    const std::size_t equals = std::min(item.find('='), item.size());
    MESH_TRY(name, decode(item.substr(0, equals), Plus::Space));
    MESH_TRY(value, decode(equals == item.size() ? std::string_view() : item.substr(equals + 1), Plus::Space));
    parameters.items_.emplace_back(std::move(name), std::move(value));
  }
  return parameters;
}

std::optional<std::string_view> QueryParameters::get(std::string_view name) const {
  for (const auto& [key, value] : items_)
    if (key == name) return value;
  return std::nullopt;
}

std::vector<std::string_view> QueryParameters::all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [key, value] : items_)
    if (key == name) values.push_back(value);
  return values;
}

std::string HttpUrl::host_header() const {
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == 80 ? name : fmt::format("{}:{}", name, port);
}

Result<HttpUrl> HttpUrl::parse(std::string_view text) {
  const auto bad = [text](std::string_view why) {
    return error(Code::Invalid, "\"{}\" {}", text.substr(0, 128), why);
  };
  constexpr std::string_view kScheme = "http://";
  if (!text.starts_with(kScheme)) return bad("is not a URL that starts with http://");
  std::string_view rest = text.substr(kScheme.size());
  const std::size_t authority_end = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view authority = rest.substr(0, authority_end);
  rest.remove_prefix(authority_end);
  rest = rest.substr(0, rest.find('#'));
  HttpUrl url;
  if (authority.find('@') != authority.npos) return bad("has a user part, which is not supported");
  if (authority.starts_with('[')) {
    const std::size_t close = authority.find(']');
    if (close == authority.npos) return bad("has an open bracket");
    url.host = authority.substr(1, close - 1);
    if (auto ip = IpAddress::parse(url.host); !ip.ok()) return std::move(ip).error();
    authority.remove_prefix(close + 1);
  } else {
    const std::size_t colon = std::min(authority.find(':'), authority.size());
    url.host = authority.substr(0, colon);
    authority.remove_prefix(colon);
  }
  if (url.host.empty()) return bad("has no host");
  if (!authority.empty()) {
    if (authority.front() != ':') return bad("has text after the host");
    MESH_TRY(port, parse_port(authority.substr(1)));
    url.port = port;
  }
  url.target = rest.starts_with('/') ? std::string(rest) : "/" + std::string(rest);
  for (const char c : text)
    if (c <= 0x20 || c >= 0x7f) return bad("has a space or a byte that is not ASCII: escape it as %XX");
  return url;
}

}  // namespace mesh::net
