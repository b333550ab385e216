// What a request asks for, taken apart: the arguments in its path and the parameters in its query. Values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "model/protocol.h"
#include "net/url.h"

namespace mesh::agent {

inline constexpr Duration kWaitDefault = minutes(5);
inline constexpr Duration kWaitMax = minutes(10);

struct Target {
  std::vector<std::string> arguments;  // decoded, in the order of the route's pattern
  net::QueryParameters query;

  // Whether a switch is on: present without a value, or with any other than 0 and false.
  [[nodiscard]] bool flag(std::string_view name) const;
  // A number; none if absent. Invalid names the parameter.
  [[nodiscard]] Result<std::optional<std::uint64_t>> number(std::string_view name) const;
};

// How a read of replicated data wants to be answered. Invalid: both modes at once, or a parameter that does not parse.
struct ReadOptions {
  model::ReadMode mode = model::ReadMode::Default;
  std::uint64_t min_index = 0;    // above zero: block until something newer than this
  Duration wait = kWaitDefault;   // at most kWaitMax
};
[[nodiscard]] Result<ReadOptions> read_options(const Target& target);

// Precondition with Consul's words if `dc` names another datacenter than `own`.
[[nodiscard]] Status check_datacenter(std::string_view dc, std::string_view own);

}  // namespace mesh::agent
