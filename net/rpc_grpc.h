// The pieces of the gRPC protocol that need no connection (docs/formats/rpc.md): message framing, status numbers,
// timeouts and error texts. Values and one small parser; any thread, one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "net/http2/session.h"

namespace mesh::net {

inline constexpr std::size_t kGrpcPrefixBytes = 5;

[[nodiscard]] int grpc_status_of(Code code);
[[nodiscard]] Code code_of_grpc_status(int status);  // of an error: REQUIRES not 0
[[nodiscard]] Code code_of_reset(Http2Error code);
[[nodiscard]] Code code_of_http_status(int status);
// "0" to "16"; errors Corrupt.
[[nodiscard]] Result<int> parse_grpc_status(std::string_view text);

// Rounded up to what eight digits can say; nothing left becomes the smallest timeout.
[[nodiscard]] std::string format_grpc_timeout(Duration left);
[[nodiscard]] Result<Duration> parse_grpc_timeout(std::string_view text);

// Of an error's text, cut to bytes_max before encoding.
[[nodiscard]] std::string encode_grpc_message(std::string_view text, std::size_t bytes_max);
// A broken escape is taken as it stands.
[[nodiscard]] std::string decode_grpc_message(std::string_view text);

[[nodiscard]] bool is_grpc_content_type(std::string_view value);

// What stands before a message. REQUIRES at most 2^32 - 1.
[[nodiscard]] Bytes grpc_prefix(std::size_t message_bytes);

// Cuts a half's bytes into messages. Memory grows with what has arrived, never with what a prefix promises.
class GrpcReader {
 public:
  explicit GrpcReader(std::size_t message_bytes_max) : message_bytes_max_(message_bytes_max) {}

  // Takes from the front of input until a message is complete (true) or the input is used up (false). Errors, after
  // which nothing more is read: Invalid (too large), Unsupported (compressed), Corrupt.
  [[nodiscard]] Result<bool> next(ByteView& input);
  // Valid until the next call or the end of the input that next() took it from.
  [[nodiscard]] ByteView message() const { return message_; }
  // Instead of message(): the bytes, not copied if they had to be gathered.
  [[nodiscard]] Bytes take_message();

  // Of a message that is not complete.
  [[nodiscard]] std::size_t unfinished_bytes() const { return message_.data() == nullptr ? partial_.size() : 0; }

 private:
  [[nodiscard]] Result<std::size_t> length_of(ByteView prefix) const;
  std::size_t message_bytes_max_;
  Bytes partial_;     // prefix and body so far
  ByteView message_;  // in partial_ or in the input; data() null: none
};

}  // namespace mesh::net
