// A joined host's part in gossip: the driver on the agent loop, whom it asks to be let in, what it keeps of the pool for the
// next start, and what others of this process hear of it.
//
// Thread: the main thread, which runs the agent loop; all on the agent loop. Destroying it without leave() lets others see
// this host fail.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/identity/node_files.h"
#include "agent/member.h"
#include "base/function.h"
#include "base/metrics.h"
#include "base/result.h"
#include "gossip/driver.h"
#include "model/config.h"
#include "net/blocking_worker.h"
#include "net/loop.h"
#include "net/timer.h"

namespace mesh::daemon {

inline constexpr Duration kMembersPace = milliseconds(100);  // between two lists of members
inline constexpr Duration kPeersPace = seconds(30);          // between two writes of cache/peers
inline constexpr Duration kLeaveMax = seconds(4);            // for the good-bye

class GossipPart final : private gossip::DriverObserver {
 public:
  struct Options {
    const model::Config& config;  // with node, bind and advertise filled in
    const agent::NodeIdentity& node;
    UniqueFunction<void(agent::MembersPtr)> on_members;         // the pool as it is now: this host, then by name
    UniqueFunction<void(const gossip::MemberEvent&)> on_event;  // may be empty
  };

  // Binds the port. Errors: Conflict (in use; names the owner), Invalid (ports.gossip is off, an address), of the files.
  // disk: for cache/peers; it outlives this object.
  static Result<std::unique_ptr<GossipPart>> open(net::Loop& loop, net::BlockingWorker& disk, MetricRegistry& metrics,
                                                  Options options);
  // Keeps on disk what helps the next start.
  ~GossipPart() override;
  GossipPart(const GossipPart&) = delete;
  GossipPart& operator=(const GossipPart&) = delete;

  // Asks to be let in, again and again while nobody answers.
  void join();
  // The servers' RPC addresses, as they are known now.
  void set_servers(const std::vector<std::string>& servers);
  // There is reason to think that this node is gone: look at once.
  void suspect(std::string_view node_id);
  // Says good-bye. on_left: once, on the agent loop, within kLeaveMax.
  void leave(UniqueFunction<void()> on_left);

  [[nodiscard]] const gossip::Driver& driver() const { return *driver_; }

 private:
  GossipPart(net::Loop& loop, net::BlockingWorker& disk, Options options);
  Status start(const model::Config& config, const agent::NodeIdentity& node, MetricRegistry& metrics);
  void load_peers();
  void on_member(const gossip::MemberEvent& event) override;
  void on_left() override;
  void publish();
  void save_peers();

  net::Loop& loop_;
  net::BlockingWorker& disk_;
  std::string path_;
  std::string cluster_id_;
  std::uint16_t port_;
  std::vector<std::string> servers_;
  std::vector<std::string> join_;
  std::vector<net::Address> known_;
  UniqueFunction<void(agent::MembersPtr)> on_members_;
  UniqueFunction<void(const gossip::MemberEvent&)> on_event_;
  UniqueFunction<void()> on_left_;
  bool writing_ = false;
  net::Timer members_timer_;
  net::Timer peers_timer_;
  net::Timer leave_timer_;
  std::unique_ptr<gossip::Driver> driver_;
};

}  // namespace mesh::daemon
