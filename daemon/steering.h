// How local programs reach mesh addresses on this host, and why it is that way. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/steer/protocol.h"

namespace mesh::daemon {

// In the order of preference (DESIGN section 6).
enum class SteeringMode : std::uint8_t {
  SkLookup,   // every mesh address and port; no cost
  Nftables,   // every mesh address and port; slower per connection
  Listeners,  // only the declared upstreams of local services, each a listener of the proxy's own
};
[[nodiscard]] std::string_view steering_mode_name(SteeringMode mode);

// What the client of meshd-steer knows.
struct SteerState {
  enum class Link : std::uint8_t {
    Idle,       // nothing was handed over yet
    NoHelper,   // nobody answers on the socket
    Refused,    // the helper hung up or does not let this user in
    Waiting,    // connected, no answer yet
    Answered,
  };
  Link link = Link::Idle;
  std::string socket_path{};
  std::string failure{};  // NoHelper, Refused: cause in words
  steer::Answer answer{}; // the last one; kept while the helper restarts, since the kernel goes on steering

  friend bool operator==(const SteerState&, const SteerState&) = default;
};

struct Steering {
  SteeringMode mode = SteeringMode::Listeners;
  bool settled = false;  // false: the helper has not answered yet; wait before opening listeners
  std::string reason{};  // one line for log, status and doctor
  std::string hint{};    // what to try to get a better mode; empty when it is the best

  friend bool operator==(const Steering&, const Steering&) = default;
};

[[nodiscard]] Steering decide_steering(const SteerState& state);

}  // namespace mesh::daemon
