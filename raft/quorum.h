// Majorities. Pure functions over small lists; any thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "base/check.h"
#include "base/mutant.h"
#include "raft/types.h"

namespace mesh::raft {

// How many of `voters` make a quorum.
[[nodiscard]] constexpr std::size_t majority(std::size_t voters) { return voters / 2 + 1; }

// The largest value that a majority has reached, one value per voter: for acknowledged indexes the commit index, for
// times of contact the time at which a quorum was last heard. REQUIRES at least one value.
template <class T>
[[nodiscard]] T quorum_value(std::vector<T> values) {
  CHECK(!values.empty());
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>((MESH_MUTANT(QuorumOneShort) && values.size() > 1 ? values.size() / 2 : majority(values.size())) - 1);
  std::nth_element(values.begin(), nth, values.end(), std::greater<>());
  return *nth;
}

enum class VoteResult : std::uint8_t { Pending, Won, Lost };

// Votes of one election. A server's first answer counts; answers of servers that are no voters are ignored.
class VoteTally {
 public:
  void record(ServerId voter, bool granted) { votes_.emplace(voter, granted); }

  // REQUIRES at least one voter.
  [[nodiscard]] VoteResult result(const Configuration& configuration) const {
    std::size_t granted = 0;
    std::size_t refused = 0;
    for (const auto& [id, yes] : votes_)
      if (configuration.is_voter(id)) ++(yes ? granted : refused);
    const std::size_t needed =
        MESH_MUTANT(ElectedByHalf) ? (configuration.voters.size() + 1) / 2 : majority(configuration.voters.size());
    if (granted >= needed) return VoteResult::Won;
    return configuration.voters.size() - refused < needed ? VoteResult::Lost : VoteResult::Pending;
  }

 private:
  std::map<ServerId, bool> votes_;
};

}  // namespace mesh::raft
