// Facts about a host -> findings, each with what to do. Pure; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/doctor/facts.h"
#include "model/finding.h"

namespace mesh::agent {

inline constexpr std::uint64_t kDiskFreeWarning = std::uint64_t{256} << 20;
inline constexpr std::uint64_t kDiskFreeError = std::uint64_t{16} << 20;
inline constexpr Duration kCatalogAgeWarning = seconds(30);

// All of them, in a fixed order: what is wrong elsewhere often follows from what stands further up.
[[nodiscard]] std::vector<model::Finding> findings_of(const DoctorFacts& facts);

// The nameservers of a resolv.conf, in its order.
[[nodiscard]] std::vector<std::string> nameservers_of(std::string_view resolv_conf);

}  // namespace mesh::agent
