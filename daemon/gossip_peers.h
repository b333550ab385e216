// Whom a host asks to be let into the gossip pool, and the file in which it keeps that for the next start:
// docs/formats/catalog-cache.md, "cache/peers". Pure; any thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "gossip/member.h"
#include "net/address.h"

namespace mesh::daemon {

inline constexpr std::size_t kGossipSeedsMax = 64;   // as CoreOptions::seeds_max; further ones are left out
inline constexpr std::size_t kGossipPeersKept = 32;  // in the file
inline constexpr std::size_t kGossipPeersBytesMax = 16 * 1024;

struct SeedSources {
  std::span<const std::string> servers;   // ADDRESS:PORT of their RPC: the address counts
  std::span<const std::string> join;      // IP, or IP:PORT of gossip
  std::span<const net::Address> known;    // members of the last run
  std::uint16_t port = 0;                 // of gossip, where none is told
  net::Address own;                       // left out
};
// In that order, each once. What is no address is left out.
[[nodiscard]] std::vector<net::Address> gossip_seeds(const SeedSources& sources);

// Members worth asking next time: alive ones, servers first, then those that are well for longest.
[[nodiscard]] std::vector<net::Address> peers_to_keep(std::vector<gossip::MemberView> members);

[[nodiscard]] Bytes encode_gossip_peers(const std::vector<net::Address>& peers, const std::string& cluster_id);
// Errors: Corrupt, Unsupported (another layout), Precondition (of another cluster).
[[nodiscard]] Result<std::vector<net::Address>> parse_gossip_peers(ByteView file, std::string_view cluster_id);

}  // namespace mesh::daemon
