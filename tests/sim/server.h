// A simulated server: the real core, the real segment log on a simulated disk, the real message codec, and a small
// driver that carries out the core's actions in virtual time. What the storage thread does takes time: log writes and
// table work run in two lanes, one job at a time each. A crash takes everything but disk and tables with it and may
// strike within a write.
//
// Owned by RaftCluster; one thread; queue, network, checker and profile must outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/rng.h"
#include "raft/core.h"
#include "tests/sim/client.h"
#include "tests/sim/network.h"
#include "tests/sim/process.h"
#include "tests/sim/profile.h"
#include "tests/sim/raft_checker.h"
#include "tests/sim/replica.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_tables.h"

namespace mesh::sim {

inline constexpr Duration kRestartAfter = milliseconds(500);  // of a process that ended by itself

// What a server tells of itself in the moment it happens, before its messages leave.
struct Hooks {
  std::function<void(HostId)> leads = [](HostId) {};
  std::function<void(HostId)> truncated = [](HostId) {};  // entries were cut off its log, durably
  std::function<void(HostId)> repairing = [](HostId) {};  // its damaged log has taken entries, durably
  std::function<void(HostId)> whole = [](HostId) {};      // the damage is mended, durably
  std::function<bool(HostId self, HostId other)> speaks = nullptr;  // whether it exchanges messages with the other; null: with all
};

struct Surroundings {
  EventQueue& queue;
  Network& network;
  RaftChecker& checker;
  const Profile& profile;
  const Hooks& hooks;
};

class Server {
 public:
  // `founders`: the voters that bootstrap made; empty for a server that waits to be added.
  Server(const Surroundings& around, HostId host, Rng rng, const raft::Configuration& founders);
  ~Server();

  void start();                 // REQUIRES !up()
  void crash(bool power_lost);  // REQUIRES up()
  void fill_disk(bool full);    // no byte more until it is called with false
  void break_next_sync();       // it fails and leaves in doubt what is on the platter
  void end_disk_faults();       // of those to come
  void rot();                   // one bit of the log's files flips
  void rot_truncation();        // the record of the last truncation, if there is one. REQUIRES !up()
  [[nodiscard]] bool rotten() const { return rotten_; }  // and not yet known to be whole again
  [[nodiscard]] bool up() const { return process_.up(); }
  [[nodiscard]] Process& process() { return process_; }

  void on_packet(HostId from, Bytes packet);
  void change_membership(const raft::MembershipChange& change);  // refused unless it leads
  void transfer(raft::ServerId target);
  void propose(model::Command command);  // nobody waits for what it comes to; refused unless it leads

  // What its disk still has to do of the work given to it.
  [[nodiscard]] Duration busy_for() const;

  // Null while down.
  [[nodiscard]] const raft::Core* core() const;
  [[nodiscard]] const Replica* machine() const;

 private:
  struct Asked {
    HostId client = 0;
    std::uint64_t number = 0;
    std::uint64_t key = 0;
  };
  struct Proposed {
    raft::Term term;
    Asked asked;
  };
  struct Running;
  enum class Lane : std::uint8_t { Log, Tables };

  [[nodiscard]] bool speaks(HostId other) const { return around_.hooks.speaks == nullptr || around_.hooks.speaks(host_, other); }
  [[nodiscard]] HostId servers() const { return around_.profile.servers + around_.profile.spares; }
  Result<raft::RecoveredState> open_stores();
  void bootstrap(const raft::Configuration& founders);
  void load_machine();

  void step(raft::Event event);
  void step_later(raft::Event event);
  void arm();
  void tick_if_due();

  void carry_out(raft::Actions actions);
  void carry_out(const raft::Outcome& outcome);
  void carry_out(const raft::ReadOutcome& outcome);
  void persist(raft::PersistBatch batch);
  void write_in_flight();
  void exit_process(const Error& why);
  void load(const raft::LoadEntries& load);
  void queue_apply(std::vector<raft::Entry> entries);
  void apply(const std::vector<raft::Entry>& entries);
  void resolve(const raft::Entry& entry, const Bytes& result);
  void flush_later();

  void queue_snapshot(raft::SnapshotAction action);
  void carry_out(const raft::OpenSnapshot& open);
  void carry_out(const raft::ReadSnapshot& read);
  void carry_out(const raft::CloseSnapshot& close);
  void carry_out(const raft::WriteSnapshot& write);
  void carry_out(const raft::InstallSnapshot& install);
  void carry_out(const raft::DiscardSnapshot& discard);

  void on_request(HostId client, const ClientRequest& request);
  void read(const Asked& asked);
  void answer(const Asked& asked, ReplyStatus status, std::uint64_t value, bool swapped);
  void send_gathered();

  void in_lane(Lane lane, Duration cost, Process::Action job);
  [[nodiscard]] Duration draw_sync();
  [[nodiscard]] bool fails() { return rng_.chance_ppm(around_.profile.driver.fail_ppm); }
  void strike_in_flight_write(bool power_lost);

  const Surroundings around_;
  const HostId host_;
  Rng rng_;
  Process process_;
  SimDisk disk_;
  bool rotten_ = false;
  bool disk_faulty_ = false;  // a fault of the disk struck: its errors may end the process
  TablePlatter platter_;
  std::optional<raft::PersistBatch> in_flight_;  // given to the log lane, not yet durable
  std::unique_ptr<Running> running_;
};

}  // namespace mesh::sim
