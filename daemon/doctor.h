// GET /v1/mesh/doctor of a daemon: gathers what this process knows on the agent loop, looks at the host on a thread of its
// own, judges (agent/doctor), and answers all who have asked meanwhile.
//
// Thread: the agent loop. The thread is started by the first question. Destroying it waits for a look under way, some
// seconds at most; whoever waits is then not answered.
// Limits: kDoctorWaitersMax may wait for one look; more are refused with Overloaded.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/doctor/facts.h"
#include "agent/http_api/call.h"
#include "agent/view.h"
#include "base/function.h"
#include "model/config.h"
#include "net/address.h"
#include "net/blocking_worker.h"
#include "net/loop.h"

namespace mesh::daemon {

class MeshPart;

inline constexpr std::size_t kDoctorWaitersMax = 16;

class Doctor {
 public:
  Doctor(net::Loop& loop, UniqueFunction<agent::DoctorFacts()> gather) : loop_(loop), gather_(std::move(gather)) {}
  Doctor(const Doctor&) = delete;
  Doctor& operator=(const Doctor&) = delete;

  // done: later, on the agent loop.
  void examine(agent::ExamineDone done);

 private:
  net::Loop& loop_;
  UniqueFunction<agent::DoctorFacts()> gather_;
  std::vector<agent::ExamineDone> waiting_;
  std::unique_ptr<net::BlockingWorker> worker_;
};

// What an agent's process knows, and what is to be looked at.
struct DoctorSources {
  const model::Config& config;  // with bind and advertise filled in, if the host has joined
  const agent::AgentView& view;
  std::vector<net::Endpoint> http;
  std::vector<net::Address> dns;
  const MeshPart* mesh = nullptr;  // of a host that has joined, as the next two
  bool server = false;
  std::string link = {};  // how the connection to the servers is
};
[[nodiscard]] agent::DoctorFacts facts_from(const DoctorSources& sources, MonoTime now);

}  // namespace mesh::daemon
