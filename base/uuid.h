// UUID (RFC 4122): identity of nodes, clusters, intentions, sessions. A value; any thread. Ordered bytewise.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace mesh {

class Rng;

class Uuid {
 public:
  using Raw = std::array<std::uint8_t, 16>;
  static constexpr std::size_t kTextBytes = 36;

  Uuid() = default;  // all zero: "none"
  explicit Uuid(const Raw& bytes) : bytes_(bytes) {}

  // Sets version 4 and variant bits in 16 random bytes; bytes for secrets' sake come from net/crypto, in cores and in
  // commands from the Rng at hand.
  [[nodiscard]] static Uuid from_random(Raw bytes);
  [[nodiscard]] static Uuid make(Rng& rng);
  // "8-4-4-4-12" hexadecimal digits of either case and nothing else; Code::Invalid otherwise.
  [[nodiscard]] static Result<Uuid> parse(std::string_view text);

  [[nodiscard]] std::string to_string() const;  // lower case
  [[nodiscard]] const Raw& bytes() const { return bytes_; }
  [[nodiscard]] bool is_nil() const { return bytes_ == Raw{}; }

  friend auto operator<=>(const Uuid&, const Uuid&) = default;

 private:
  Raw bytes_{};
};

}  // namespace mesh
