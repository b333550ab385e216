// Strong integer types: two integers that meet in one call must not be exchangeable.
//
//   struct IndexTag;  using Index = mesh::Strong<IndexTag, std::uint64_t>;
//
// A Strong<> is a plain value: any thread, no ownership. Arithmetic is defined only against the raw integer
// (index + 1) and between two of the same type (a - b gives the raw distance; REQUIRES a >= b for unsigned).
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace mesh {

template <class Tag, class Int = std::uint64_t>
class Strong {
 public:
  using Raw = Int;

  constexpr Strong() = default;
  constexpr explicit Strong(Int value) : value_(value) {}

  [[nodiscard]] constexpr Int value() const { return value_; }

  friend constexpr auto operator<=>(Strong, Strong) = default;

  friend constexpr Strong operator+(Strong a, Int n) { return Strong(static_cast<Int>(a.value_ + n)); }
  friend constexpr Strong operator-(Strong a, Int n) { return Strong(static_cast<Int>(a.value_ - n)); }
  friend constexpr Int operator-(Strong a, Strong b) { return static_cast<Int>(a.value_ - b.value_); }
  constexpr Strong& operator++() {
    ++value_;
    return *this;
  }
  constexpr Strong& operator+=(Int n) {
    value_ = static_cast<Int>(value_ + n);
    return *this;
  }

 private:
  Int value_{};
};

struct ByteCountTag;
using ByteCount = Strong<ByteCountTag, std::uint64_t>;

}  // namespace mesh

template <class Tag, class Int>
struct std::hash<mesh::Strong<Tag, Int>> {
  std::size_t operator()(mesh::Strong<Tag, Int> v) const noexcept { return std::hash<Int>{}(v.value()); }
};
