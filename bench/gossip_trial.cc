// What gossip's times give, in the simulator: false failures under loss and pauses, time until a killed member is known,
// traffic. The second set of times is memberlist's LAN profile in the same core (which keeps its own rules, so it does
// better than memberlist would).
//
//   gossip_trial [members] [minutes] [loss ppm] [paused members] [ours|memberlist]
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "tests/sim/gossip_checker.h"
#include "tests/sim/gossip_host.h"
#include "tests/sim/sim_sealer.h"

namespace mesh::sim {
namespace {

gossip::CoreOptions memberlist_times() {
  gossip::CoreOptions out;
  out.probe_interval = seconds(1);
  out.direct_timeout = milliseconds(500);
  out.probe_timeout = seconds(1);
  out.suspicion_min = seconds(4);
  out.verifiers = 0;
  out.gossip_interval = milliseconds(200);
  return out;
}

struct Trial {
  explicit Trial(const GossipProfile& what)
      : profile(what), checker(queue, profile),
        network(queue, Rng(7), profile.network, profile.hosts,
                [this](HostId from, HostId to, Bytes message) { hosts[to]->deliver(from, std::move(message)); }) {
    CHECK(keys.install(gossip::KeyId(1), std::make_shared<SimSealer>(1)).ok(), "install");
    Rng rng(8);
    for (HostId host = 0; host < profile.hosts; ++host) {
      hosts.push_back(std::make_unique<GossipHost>(GossipSurroundings{queue, network, checker, profile}, host, rng.fork()));
      queue.after(rng.between(Duration(0), seconds(2)), [this, host] { hosts[host]->start(keys); });
    }
    queue.run_until(queue.now() + seconds(60));
  }
  // 16 s of every 18 s, the last hosts.
  void pause_again(HostId host) {
    hosts[host]->process().pause(seconds(16));
    checker.paused(host, queue.now() + seconds(16));
    queue.after(seconds(18), [this, host] { pause_again(host); });
  }
  // Until all others hold the victim for failed.
  Duration kill(HostId victim) {
    const MonoTime began = queue.now();
    hosts[victim]->crash(true);
    while (!std::all_of(hosts.begin(), hosts.end(), [&](const auto& host) {
      return host->id() == victim || host->core().find(member_of(victim))->state == gossip::MemberState::Failed;
    })) {
      queue.run_until(queue.now() + milliseconds(20));
    }
    const Duration took = queue.now() - began;
    hosts[victim]->start(keys);
    queue.run_until(queue.now() + seconds(40));
    return took;
  }

  GossipProfile profile;
  EventQueue queue;
  GossipChecker checker;
  gossip::Keyring keys;
  std::vector<std::unique_ptr<GossipHost>> hosts;
  Network network;
};

int run(const std::vector<std::string_view>& words) {
  const auto number = [&](std::size_t i, std::uint64_t otherwise) {
    return words.size() > i ? std::strtoull(words[i].data(), nullptr, 10) : otherwise;
  };
  GossipProfile profile;
  profile.hosts = static_cast<HostId>(number(0, 24));
  profile.network = calm_network();
  profile.network.loss_ppm = static_cast<std::uint32_t>(number(2, 0));
  const auto paused = static_cast<HostId>(number(3, 0));
  if (words.size() > 4 && words[4] == "memberlist") profile.core = memberlist_times();
  Trial trial(profile);
  for (HostId i = 0; i < paused; ++i) trial.pause_again(profile.hosts - 1 - i);
  const std::uint64_t packets = trial.hosts[0]->packets_total();
  const Duration time = minutes(number(1, 60));
  trial.queue.run_until(trial.queue.now() + time);
  const double per_second = static_cast<double>(trial.hosts[0]->packets_total() - packets) / static_cast<double>(std::max<std::int64_t>(1, to_millis(time))) * 1000;
  std::vector<Duration> kills;
  for (HostId victim = 0; paused == 0 && victim < std::min<HostId>(profile.hosts, 20); ++victim) kills.push_back(trial.kill(victim));
  std::sort(kills.begin(), kills.end());
  fmt::print("{} members, {} % loss, {} paused: {} false failures in {} min, {:.1f} packets/s sent each", profile.hosts,
             profile.network.loss_ppm / 10'000, paused, trial.checker.false_failures_total(), to_millis(time) / 60'000, per_second);
  if (!kills.empty()) {
    fmt::print("; killed, all know: median {} ms, most {} ms", to_millis(kills[kills.size() / 2]), to_millis(kills.back()));
  }
  fmt::print("\n");
  return 0;
}

}  // namespace
}  // namespace mesh::sim

int main(int argc, char** argv) { return mesh::sim::run({argv + 1, argv + argc}); }
