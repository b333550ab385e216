// The fallback: a redirect by nftables. The rules are a pure function; carrying them out waits for nft(8). Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace mesh::steer {

inline constexpr std::string_view kNftTable = "meshd_steer";

// Ports on 127.0.0.1. No listener: mesh addresses refuse connections.
struct RedirectPorts {
  std::vector<std::uint16_t> listeners{};
  std::optional<std::uint16_t> dns_udp{};
  std::optional<std::uint16_t> dns_tcp{};
};

// A whole ruleset for `nft -f -`: replaces our table in one transaction, whether it exists or not.
[[nodiscard]] std::string nft_rules(const RedirectPorts& ports);

// Errors: NotFound (no nft program), Denied (no permission), Io with what nft printed.
[[nodiscard]] Status nft_apply(const RedirectPorts& ports);
// Fine if there is none, and if there is no nft program.
[[nodiscard]] Status nft_remove();
[[nodiscard]] bool nft_present();

}  // namespace mesh::steer
