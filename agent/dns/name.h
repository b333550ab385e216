// Domain names as DNS carries them (RFC 1035 section 3.1): a sequence of labels of 1 to 63 bytes, at most 255 bytes on
// the wire with the length bytes and the root. Case is kept and ignored in comparison (RFC 4343); a label may hold any
// byte. A Name is a plain value without heap memory: any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace mesh::dns {

inline constexpr std::size_t kNameWireMax = 255;
inline constexpr std::size_t kLabelMax = 63;
inline constexpr std::size_t kLabelsMax = 127;

// Compared as RFC 4343 says: ASCII letters without case, other bytes as they are.
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);

class Name {
 public:
  Name() = default;  // the root

  // "web.service.mesh", with or without the last dot; "" and "." are the root. No escapes: a label that holds a dot
  // cannot be written as text. Invalid: an empty or long label, or a long name.
  [[nodiscard]] static Result<Name> from_text(std::string_view text);

  [[nodiscard]] std::size_t label_count() const { return count_; }
  // Label i counted from the left; borrowed from this object. REQUIRES i < label_count().
  [[nodiscard]] std::string_view label(std::size_t i) const;
  // The labels, length bytes and the root, without compression.
  [[nodiscard]] ByteView wire() const;
  [[nodiscard]] std::size_t wire_size() const { return size_ + 1U; }
  // Offset of label i in wire(); i == label_count() is the root.
  [[nodiscard]] std::size_t offset(std::size_t i) const { return i < count_ ? offsets_[i] : size_; }

  // Adds a label at the right end. False, and no change: the label is empty or long, or the name would be too long.
  [[nodiscard]] bool append(std::string_view label);
  [[nodiscard]] bool append(const Name& suffix);

  [[nodiscard]] bool equals(const Name& other) const;            // ignoring case
  [[nodiscard]] bool is_within(const Name& ancestor) const;      // equal to it or below it, ignoring case
  // With a dot at the end; bytes outside of printable ASCII, dots and backslashes in labels become \DDD.
  [[nodiscard]] std::string text() const;

 private:
  std::array<char, kNameWireMax + 1> bytes_{};       // labels with their length bytes; always followed by a zero
  std::array<std::uint8_t, kLabelsMax> offsets_{};   // where each label's length byte is
  std::uint8_t size_ = 0;                            // bytes used, without the root
  std::uint8_t count_ = 0;
};

}  // namespace mesh::dns
