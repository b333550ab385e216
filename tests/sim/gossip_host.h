// One simulated member: a real gossip core with a driver of the simulator's own. UDP packets travel as they are; a
// stream is a question that is repeated until it is answered, refused by a host whose process is down, or given up, so
// that loss delays it and a cut link ends it. One thread; what it is given must outlive it.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "base/rng.h"
#include "gossip/core.h"
#include "tests/sim/event_queue.h"
#include "tests/sim/gossip_profile.h"
#include "tests/sim/network.h"
#include "tests/sim/process.h"

namespace mesh::sim {

class GossipChecker;

[[nodiscard]] gossip::NodeId member_of(HostId host);
[[nodiscard]] HostId host_of(const gossip::NodeId& id);

struct GossipSurroundings {
  EventQueue& queue;
  Network& network;
  GossipChecker& checker;
  const GossipProfile& profile;
};

class GossipHost {
 public:
  GossipHost(const GossipSurroundings& around, HostId id, Rng rng);

  void start(const gossip::Keyring& keys);
  void crash(bool power_lost);  // REQUIRES up()
  void leave() { happen(gossip::Leave{}); }
  void suspect_now(HostId other) { happen(gossip::SuspectNow{member_of(other)}); }
  void change_attributes();
  void replace_keys(const gossip::Keyring& keys);
  void deliver(HostId from, Bytes message);

  [[nodiscard]] HostId id() const { return id_; }
  [[nodiscard]] bool up() const { return process_.up(); }
  [[nodiscard]] bool has_left() const { return has_left_; }  // it said good-bye and has stopped since
  [[nodiscard]] Process& process() { return process_; }
  [[nodiscard]] const gossip::Core& core() const { return *core_; }  // REQUIRES up()
  [[nodiscard]] std::uint64_t packets_total() const { return packets_total_; }

 private:
  struct Call {
    gossip::StreamCall call;
    std::uint32_t number = 0;
  };
  void happen(gossip::Event event);
  void carry_out(gossip::Actions actions);
  void arm();
  void ask(std::uint32_t number);
  void end_call(std::uint32_t number, bool refused);
  void take_question(HostId from, ByteView message);
  void take_answer(ByteView message);
  [[nodiscard]] gossip::Attributes attributes() const;

  GossipSurroundings around_;
  HostId id_;
  Rng rng_;
  Process process_;
  bool powered_ = false;
  bool has_left_ = false;
  std::uint64_t says_ = 0;  // changes with each change of attributes
  std::unique_ptr<gossip::Core> core_;
  std::map<std::uint32_t, gossip::StreamCall> calls_;
  std::uint32_t next_call_ = 0;
  MonoTime armed_for_ = kNever;
  std::uint64_t packets_total_ = 0;
};

}  // namespace mesh::sim
