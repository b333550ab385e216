// Runs the health checks of this node and reports what they find. A TTL check becomes critical when nobody reports in
// time.
//
// Thread: the agent loop. on_result is called from timers and sockets, never from inside a call to the runner, and may
// not destroy it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "agent/local_state.h"
#include "base/function.h"
#include "base/rng.h"
#include "model/check.h"
#include "model/names.h"

namespace mesh::net {
class Loop;
}

namespace mesh::agent {

class CheckRunner {
 public:
  using OnResult = UniqueFunction<void(const std::string& check_id, model::CheckStatus status, std::string_view output)>;

  CheckRunner(net::Loop& loop, Rng rng, OnResult on_result);
  ~CheckRunner();
  CheckRunner(const CheckRunner&) = delete;
  CheckRunner& operator=(const CheckRunner&) = delete;

  // Starts checks that are new, stops those that are gone, restarts those whose definition changed.
  void update(const LocalState::Checks& checks);
  // A report of a TTL check has come: its time starts anew.
  void ttl_reported(std::string_view check_id);

  [[nodiscard]] std::size_t running() const { return running_.size(); }

 private:
  class Running;

  net::Loop& loop_;
  Rng rng_;
  OnResult on_result_;
  std::map<std::string, std::unique_ptr<Running>, model::NameLess> running_;
};

}  // namespace mesh::agent
