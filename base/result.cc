#include "base/result.h"

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

Error io_error(std::string_view what, int errno_value) {
  return error(Code::Io, "{}: {}", what, std::generic_category().message(errno_value));
}

}  // namespace mesh
