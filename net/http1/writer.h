// Message heads as bytes. Framing headers are written here and nowhere else: those given in a message are dropped, and so
// is any header whose name or value could end its line. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"
#include "net/http1/message.h"

namespace mesh::net {

struct Http1Framing {
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  enum class Connection { Unsaid, Close, KeepAlive } connection = Connection::Unsaid;
};

// `date` is the whole value of the Date header.
[[nodiscard]] std::string write_response_head(const HttpResponse& response, const Http1Framing& framing,
                                              std::string_view date);
// REQUIRES valid_request_target(request.target).
[[nodiscard]] std::string write_request_head(const HttpRequest& request, std::string_view host,
                                             const Http1Framing& framing);
[[nodiscard]] bool valid_request_target(std::string_view target);  // visible ASCII, not empty
[[nodiscard]] bool valid_header_name(std::string_view name);       // a token
[[nodiscard]] bool valid_header_value(std::string_view value);     // no control bytes but tab

[[nodiscard]] std::string http_date(WallTime when);  // IMF-fixdate, RFC 9110 section 5.6.7

}  // namespace mesh::net
