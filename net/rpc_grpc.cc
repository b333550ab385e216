#include "net/rpc_grpc.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace mesh::net {

namespace {

struct CodePair {
  Code code;
  int status;
};
constexpr std::array kCodes = {
    CodePair{Code::Cancelled, 1},       CodePair{Code::Io, 2},           CodePair{Code::Invalid, 3},
    CodePair{Code::Timeout, 4},         CodePair{Code::NotFound, 5},     CodePair{Code::Denied, 7},
    CodePair{Code::Overloaded, 8},      CodePair{Code::Precondition, 9}, CodePair{Code::Conflict, 10},
    CodePair{Code::Unsupported, 12},    CodePair{Code::Internal, 13},    CodePair{Code::Unavailable, 14},
    CodePair{Code::Corrupt, 15},        CodePair{Code::Unauthenticated, 16},
};
constexpr int kAlreadyExists = 6;
constexpr int kOutOfRange = 11;
constexpr int kStatusMax = 16;

constexpr std::int64_t kTimeoutDigitsMax = 99'999'999;
struct TimeoutUnit {
  char name;
  Duration unit;
};
constexpr std::array kUnits = {
    TimeoutUnit{'n', nanoseconds(1)}, TimeoutUnit{'u', microseconds(1)}, TimeoutUnit{'m', milliseconds(1)},
    TimeoutUnit{'S', seconds(1)},     TimeoutUnit{'M', minutes(1)},      TimeoutUnit{'H', hours(1)},
};

bool is_plain(char c) { return c >= 0x20 && c <= 0x7e && c != '%'; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

int grpc_status_of(Code code) {
  for (const auto& pair : kCodes)
    if (pair.code == code) return pair.status;
  return grpc_status_of(Code::Internal);
}

Code code_of_grpc_status(int status) {
  if (status == kAlreadyExists) return Code::Conflict;
  if (status == kOutOfRange) return Code::Invalid;
  for (const auto& pair : kCodes)
    if (pair.status == status) return pair.code;
  return Code::Internal;
}

Code code_of_reset(Http2Error code) {
  switch (code) {
    case Http2Error::NoError:
    case Http2Error::Cancel:
    case Http2Error::RefusedStream: return Code::Unavailable;
    case Http2Error::EnhanceYourCalm: return Code::Overloaded;
    case Http2Error::InadequateSecurity: return Code::Denied;
    default: return Code::Internal;
  }
}

Code code_of_http_status(int status) {
  switch (status) {
    case 401: return Code::Unauthenticated;
    case 403: return Code::Denied;
    case 404: return Code::Unsupported;
    case 429:
    case 502:
    case 503:
    case 504: return Code::Unavailable;
    default: return Code::Internal;
  }
}

Result<int> parse_grpc_status(std::string_view text) {
  int status = -1;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), status);
  if (failure != std::errc() || end != text.data() + text.size() || status < 0 || status > kStatusMax)
    return error(Code::Corrupt, "a grpc-status that is no number from 0 to {}", kStatusMax);
  return status;
}

std::string format_grpc_timeout(Duration left) {
  for (const auto& [name, unit] : kUnits) {
    const std::int64_t count = std::max<std::int64_t>((left + unit - nanoseconds(1)) / unit, 1);
    if (count <= kTimeoutDigitsMax) return std::to_string(count) + name;
  }
  return std::to_string(kTimeoutDigitsMax) + 'H';
}

Result<Duration> parse_grpc_timeout(std::string_view text) {
  const auto refuse = [] { return error(Code::Invalid, "a grpc-timeout that is not up to eight digits and a unit"); };
  constexpr std::size_t kDigitsMax = 8;
  if (text.size() < 2 || text.size() > kDigitsMax + 1) return refuse();
  std::int64_t count = 0;
  for (const char c : text.substr(0, text.size() - 1)) {
    if (c < '0' || c > '9') return refuse();
    count = count * 10 + (c - '0');
  }
  for (const auto& [name, unit] : kUnits) {
    if (name != text.back()) continue;
    return count > Duration::max() / unit ? Duration::max() : unit * count;
  }
  return refuse();
}

std::string encode_grpc_message(std::string_view text, std::size_t bytes_max) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : text.substr(0, bytes_max)) {
    if (is_plain(c)) {
      out += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    out += '%';
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
  return out;
}

std::string decode_grpc_message(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const int high = text[at] == '%' && at + 2 < text.size() ? hex_digit(text[at + 1]) : -1;
    const int low = high < 0 ? -1 : hex_digit(text[at + 2]);
    if (low < 0) {
      out += text[at];
      continue;
    }
    out += static_cast<char>(high * 16 + low);
    at += 2;
  }
  return out;
}

bool is_grpc_content_type(std::string_view value) {
  constexpr std::string_view kType = "application/grpc";
  if (!value.starts_with(kType)) return false;
  value.remove_prefix(kType.size());
  return value.empty() || value.front() == '+' || value.front() == ';';
}

Bytes grpc_prefix(std::size_t message_bytes) {
  CHECK(message_bytes <= UINT32_MAX);
  Bytes prefix(1, '\0');
  append_be32(prefix, static_cast<std::uint32_t>(message_bytes));
  return prefix;
}

Result<std::size_t> GrpcReader::length_of(ByteView prefix) const {
  if (prefix[0] == 1) return error(Code::Unsupported, "compressed messages are not taken");
  if (prefix[0] != 0) return error(Code::Corrupt, "a message begins with byte {}", static_cast<unsigned char>(prefix[0]));
  const std::size_t length = read_be32(prefix.substr(1));
  if (length > message_bytes_max_)
    return error(Code::Invalid, "a message of {} bytes is over the limit of {}", length, message_bytes_max_);
  return length;
}

Result<bool> GrpcReader::next(ByteView& input) {
  if (std::exchange(message_, {}).data() != nullptr) partial_.clear();
  // The common case: nothing is waiting and all of it is here.
  if (partial_.empty() && input.size() >= kGrpcPrefixBytes) {
    MESH_TRY(length, length_of(input));
    if (input.size() - kGrpcPrefixBytes >= length) {
      message_ = input.substr(kGrpcPrefixBytes, length);
      input.remove_prefix(kGrpcPrefixBytes + length);
      return true;
    }
  }
  const auto gather = [&](std::size_t until) {
    const std::size_t more = std::min(until - partial_.size(), input.size());
    partial_.append(input.substr(0, more));
    input.remove_prefix(more);
    return partial_.size() == until;
  };
  if (partial_.size() < kGrpcPrefixBytes && !gather(kGrpcPrefixBytes)) return false;
  MESH_TRY(length, length_of(partial_));
  if (!gather(kGrpcPrefixBytes + length)) return false;
  message_ = ByteView(partial_).substr(kGrpcPrefixBytes);
  return true;
}

Bytes GrpcReader::take_message() {
  const bool gathered = !partial_.empty();
  if (!gathered) return Bytes(std::exchange(message_, {}));
  message_ = {};
  partial_.erase(0, kGrpcPrefixBytes);  // moves the bytes within their memory
  return std::exchange(partial_, {});
}

}  // namespace mesh::net
