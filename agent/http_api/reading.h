// A read of the agent's view: what a handler gets and where its answer goes. Pure: no I/O, no clock; the same call is
// made again for each new view while a blocking query waits.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/http_api/target.h"
#include "agent/view.h"
#include "base/json.h"
#include "base/result.h"

namespace mesh::agent {

class Reading {
 public:
  // Borrows view and target. min_index 0: the caller takes any answer.
  Reading(const AgentView& view, const Target& target, std::uint64_t min_index);
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

  [[nodiscard]] const AgentView& view() const { return view_; }
  [[nodiscard]] const model::Catalog& catalog() const { return view_.catalog; }
  [[nodiscard]] const Target& target() const { return target_; }
  // Path argument i. REQUIRES the route's pattern has it.
  [[nodiscard]] const std::string& argument(std::size_t i) const { return target_.arguments.at(i); }

  // Says by which index the answer is known. False: the caller has seen that already, so no body is wanted now.
  // A handler of replicated data calls this first, once.
  [[nodiscard]] bool newer(std::uint64_t index);
  [[nodiscard]] std::uint64_t index() const { return index_; }
  [[nodiscard]] bool wanted() const { return wanted_; }

  [[nodiscard]] JsonWriter& json() { return json_; }
  [[nodiscard]] std::string take_body() { return std::move(body_); }

 private:
  const AgentView& view_;
  const Target& target_;
  std::uint64_t min_index_;
  std::uint64_t index_ = 0;
  bool wanted_ = true;
  std::string body_;
  JsonWriter json_;
};

}  // namespace mesh::agent
