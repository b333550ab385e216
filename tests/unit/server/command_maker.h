// Commands for tests of server/, and a state machine that they run on.
#pragma once

#include <string>
#include <vector>

#include "base/rng.h"
#include "model/command.h"
#include "server/state_machine.h"
#include "tests/random_command.h"
#include "tests/test.h"

namespace mesh::server {

// Applies commands at ascending indexes, as a driver would; keeps what was applied and the rows that
// resulted.
class Applier {
 public:
  StateMachine machine;
  std::uint64_t index = 0;
  WallTime time = WallTime(seconds(1000));
  std::vector<Bytes> payloads;
  std::vector<std::vector<raft::RowWrite>> rows;

  template <class Body>
  model::CommandResult run(Body body, std::string request_id = "") {
    return run(model::make_command(std::move(body)), std::move(request_id));
  }
  model::CommandResult run(model::Command command, std::string request_id = "") {
    command.request_id = std::move(request_id);
    command.time = time;
    command.random = Bytes(32, static_cast<char>(++random_));
    return apply(model::encode_command(command));
  }
  model::CommandResult apply(Bytes payload) {
    raft::ApplyResult applied = machine.apply(raft::Index(++index), payload);
    payloads.push_back(std::move(payload));
    rows.push_back(std::move(applied.rows));
    const Result<model::CommandResult> result = decode<model::CommandResult>(applied.result);
    REQUIRE(result.ok());
    return *result;
  }
  [[nodiscard]] const State& state() const { return machine.state(); }
  [[nodiscard]] const model::Catalog& catalog() const { return machine.state().catalog(); }

 private:
  int random_ = 0;
};

}  // namespace mesh::server
