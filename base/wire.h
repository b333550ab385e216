// The protobuf wire format, below the level of messages: tags, varints, fixed 64-bit values, length-delimited bytes.
// docs/formats/wire.md has the grammar. Values on the caller's thread; no allocation besides growth of the output.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace mesh {

enum class WireType : std::uint8_t { Varint = 0, Fixed64 = 1, Length = 2, Fixed32 = 5 };

// Appends to a byte string that it borrows; the string must outlive it.
class WireWriter {
 public:
  explicit WireWriter(Bytes& out) : out_(out) {}

  void varint(std::uint64_t value);
  void fixed64(std::uint64_t value);  // little-endian
  void bytes(ByteView value);         // length, then the bytes
  void tag(std::uint32_t number, WireType type) {
    varint(std::uint64_t{number} << 3 | static_cast<std::uint64_t>(type));
  }

  // A length-delimited part whose length is known only at its end: `begin` gives the mark that `end` needs. Parts may
  // nest. A part over 127 bytes costs one move of its bytes.
  [[nodiscard]] std::size_t begin();
  void end(std::size_t mark);

 private:
  Bytes& out_;
};

// Reads from borrowed bytes. Errors stick: after the first one every read gives 0 or nothing and `status()` says why
// (Code::Corrupt, with the offset). So a caller may read several values and ask once.
class WireReader {
 public:
  explicit WireReader(ByteView in) : in_(in) {}

  // The next field's number (1 .. 2^29-1) and wire type; false at the end of input or after an error.
  bool next(std::uint32_t& number, WireType& type);

  std::uint64_t varint();   // at most ten bytes and 64 bits
  std::uint64_t fixed64();
  ByteView bytes();         // borrowed from the input
  void skip(WireType type); // the value of a field that nobody knows

  [[nodiscard]] bool done() const { return failed_ || offset_ == in_.size(); }
  [[nodiscard]] bool ok() const { return !failed_; }
  [[nodiscard]] Status status() const;

 private:
  std::uint64_t fail(const char* why);
  ByteView take(std::uint64_t size);

  ByteView in_;
  std::size_t offset_ = 0;
  bool failed_ = false;
  const char* why_ = "";
};

}  // namespace mesh
