// A TCP check: passing if an address of the host takes a connection before the deadline, else critical.
#pragma once

#include <optional>
#include <string>

#include "agent/checks/reach.h"
#include "agent/checks/run.h"
#include "net/timer.h"

namespace mesh::agent {

class TcpRun final : public CheckRun {
 public:
  // definition is read during the call. REQUIRES a real deadline.
  TcpRun(net::Loop& loop, const model::CheckDefinition& definition, MonoTime deadline, OnDone on_done);

 private:
  void finish(const Result<net::Endpoint>& reached);

  std::string where_;
  OnDone on_done_;
  std::optional<Error> fault_;  // of the definition, reported by the timer
  net::Timer fault_timer_;
  std::optional<Reach> reach_;
};

}  // namespace mesh::agent
