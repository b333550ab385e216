#include "base/result.h"

#include <cstdlib>
#include <system_error>

namespace mesh {

std::string_view code_name(Code code) {
  switch (code) {
    case Code::Invalid: return "invalid";
    case Code::NotFound: return "not found";
    case Code::Conflict: return "conflict";
    case Code::Denied: return "denied";
    case Code::Unauthenticated: return "unauthenticated";
    case Code::Unavailable: return "unavailable";
    case Code::Timeout: return "timeout";
    case Code::Overloaded: return "overloaded";
    case Code::Precondition: return "precondition";
    case Code::Corrupt: return "corrupt";
    case Code::Unsupported: return "unsupported";
    case Code::Cancelled: return "cancelled";
    case Code::Io: return "io";
    case Code::Internal: return "internal";
  }
  return "unknown";
}

Error::Error() = default;
Error::Error(Code error_code, std::string text) : code(error_code), message(std::move(text)) {}
Error::Error(const Error&) = default;
Error::Error(Error&&) noexcept = default;
Error& Error::operator=(const Error&) = default;
Error& Error::operator=(Error&&) noexcept = default;
Error::~Error() = default;

void Error::prepend(fmt::string_view format, fmt::format_args args) {
  message = fmt::vformat(format, args) + ": " + message;
}

namespace result_detail {

Error make_error(Code code, fmt::string_view format, fmt::format_args args) {
  return Error(code, fmt::vformat(format, args));
}
void no_value(const Error& error) {
  CHECK(false, "value() of an error: {}", error.message);
  std::abort();
}
void no_error() {
  CHECK(false, "error() of a good result");
  std::abort();
}

}  // namespace result_detail

Error io_error(std::string_view what, int errno_value) {
  return error(Code::Io, "{}: {}", what, std::generic_category().message(errno_value));
}

}  // namespace mesh
