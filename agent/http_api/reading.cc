#include "agent/http_api/reading.h"

#include <algorithm>

namespace mesh::agent {

Reading::Reading(const AgentView& view, const Target& target, std::uint64_t min_index)
    : view_(view),
      target_(target),
      min_index_(min_index),
      json_(body_, JsonWriter::Options{.pretty = target.flag("pretty")}) {}

bool Reading::newer(std::uint64_t index) {
  index_ = std::max<std::uint64_t>(index, 1);
  wanted_ = index_ > min_index_;
  return wanted_;
}

}  // namespace mesh::agent
