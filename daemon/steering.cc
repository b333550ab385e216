#include "daemon/steering.h"

#include <fmt/core.h>

namespace mesh::daemon {

namespace {

constexpr std::string_view kListenersOnly = "only declared upstreams of local services are reachable, each by a listener of its own";

// The kernel goes on steering as the helper's last answer said, whether the helper runs or not.
Steering by_answer(const SteerState& state) {
  const steer::Answer& answer = state.answer;
  const bool gone = state.link != SteerState::Link::Answered;
  const std::string_view helper = gone ? " (meshd-steer is not running now; the kernel goes on)" : "";
  if (answer.mode == steer::Mode::SkLookup)
    return {SteeringMode::SkLookup, true, fmt::format("mesh addresses are steered by sk_lookup{}", helper), answer.hint};
  if (answer.mode == steer::Mode::Nftables)
    return {SteeringMode::Nftables, true,
            fmt::format("mesh addresses are redirected by nftables, slower for each connection{}; not sk_lookup: {}", helper,
                        answer.message),
            answer.hint};
  return {SteeringMode::Listeners, true, fmt::format("{}; meshd-steer cannot steer: {}", kListenersOnly, answer.message),
          answer.hint};
}

Steering without_helper(const SteerState& state) {
  return {SteeringMode::Listeners, true, fmt::format("{}: {}", kListenersOnly, state.failure),
          state.link == SteerState::Link::Refused
              ? std::string("start meshd-steer with --user set to the user that meshd runs as")
              : fmt::format("start it: systemctl enable --now meshd-steer, or as root: meshd-steer serve --socket {}",
                            state.socket_path)};
}

}  // namespace

std::string_view steering_mode_name(SteeringMode mode) {
  switch (mode) {
    case SteeringMode::SkLookup: return "sk_lookup";
    case SteeringMode::Nftables: return "nftables";
    case SteeringMode::Listeners: return "listeners";
  }
  return "?";
}

Steering decide_steering(const SteerState& state) {
  const bool steered = state.answer.mode != steer::Mode::None;
  if (state.link == SteerState::Link::Answered || steered) return by_answer(state);
  if (state.link == SteerState::Link::NoHelper || state.link == SteerState::Link::Refused) return without_helper(state);
  return {SteeringMode::Listeners, false, "meshd-steer has not answered yet", ""};
}

}  // namespace mesh::daemon
