#include "tests/sim/gossip_pool.h"

#include <fmt/core.h>

#include <utility>

#include "tests/sim/outcome.h"
#include "tests/sim/sim_sealer.h"

namespace mesh::sim {
namespace {

using gossip::KeyId;
using gossip::MemberState;

constexpr Duration kAgreeWithin = seconds(60);     // after the last fault
constexpr Duration kCalmDown = seconds(25);        // health scores of seven fall to zero
constexpr Duration kCalmLook = seconds(10);
constexpr double kCalmPacketsPerSecond = 8;        // a ping and an answer each 0.5 s, both ways, are four
constexpr Duration kKilledWithin = seconds(8);
constexpr Duration kReportedWithin = seconds(3);
constexpr Duration kBackWithin = seconds(5);
constexpr Duration kLeftWithin = seconds(5);
constexpr Duration kLook = milliseconds(10);
constexpr Duration kLookAtAll = milliseconds(500);
constexpr Duration kKeyStepMin = seconds(2);
constexpr KeyId kOldKey{1};
constexpr KeyId kNewKey{2};

std::shared_ptr<const gossip::PacketSealer> make_key(KeyId id) { return std::make_shared<SimSealer>(id.value()); }

}  // namespace

GossipPool::GossipPool(std::uint64_t seed)
    : seed_(seed), rng_(seed), profile_(draw_gossip_profile(rng_)),
      network_(queue_, rng_.fork(), profile_.network, profile_.hosts,
               [this](HostId from, HostId to, Bytes message) { hosts_[to]->deliver(from, std::move(message)); }),
      checker_(queue_, profile_), faults_(queue_, network_, *this, rng_.fork(), profile_.faults) {
  CHECK(keys_.install(kOldKey, make_key(kOldKey)).ok(), "the first key");
  const GossipSurroundings around{queue_, network_, checker_, profile_};
  for (HostId host = 0; host < profile_.hosts; ++host) {
    hosts_.push_back(std::make_unique<GossipHost>(around, host, rng_.fork()));
  }
}

GossipReport GossipPool::run() {
  TRACE(queue_, "seed {}: {}", seed_, describe(profile_));
  start_all();
  look_now_and_then();
  change_attributes_now_and_then();
  if (profile_.rotate_key) rotate_key();
  faults_.start();
  queue_.run_until(queue_.now() + profile_.faults_for);
  faults_.stop();
  network_.set_profile(calm_network());
  stormy_ = false;
  TRACE(queue_, "the faults are over");

  GossipReport report{.seed = seed_, .hosts = profile_.hosts};
  report.agreed_after = await("agreement", kAgreeWithin, [this] { return agreed(); });
  report.false_failures = checker_.false_failures_total();
  checker_.forbid_failures();
  check_calm_traffic();
  const HostId victim = draw_running();
  crash(victim, rng_.below(2) == 0);
  TRACE(queue_, "{} is killed", victim);
  report.killed_after = await("a failure", kKilledWithin, [&] { return all_hold(victim, MemberState::Failed); });
  start(victim);
  report.back_after = await("agreement after a restart", kBackWithin, [this] { return agreed(); });
  const HostId reported = draw_running();
  crash(reported, false);
  TRACE(queue_, "{} is killed and reported", reported);
  hosts_[draw_running()]->suspect_now(reported);
  report.reported_after = await("a reported failure", kReportedWithin, [&] { return all_hold(reported, MemberState::Failed); });
  if (profile_.hosts > 2) {
    const HostId leaver = draw_running();
    TRACE(queue_, "{} leaves", leaver);
    hosts_[leaver]->leave();
    report.left_after = await("a good-bye", kLeftWithin, [&] {
      return hosts_[leaver]->has_left() && all_hold(leaver, MemberState::Left);
    });
  }
  report.virtual_time = queue_.now().time_since_epoch();
  report.actions_total = queue_.actions_total();
  report.messages_total = network_.delivered_total();
  return report;
}

// Within some seconds, the seeds among them perhaps last.
void GossipPool::start_all() {
  for (HostId host = 0; host < profile_.hosts; ++host) {
    queue_.after(rng_.between(Duration(0), seconds(2)), [this, host] {
      if (!up(host)) start(host);
    });
  }
  queue_.run_until(queue_.now() + seconds(2));
}

void GossipPool::pause(HostId host, Duration duration) {
  hosts_[host]->process().pause(duration);
  checker_.paused(host, queue_.now() + duration);
}

void GossipPool::end_pause(HostId host) {
  if (up(host)) hosts_[host]->process().end_pause();
}

void GossipPool::change_attributes_now_and_then() {
  if (profile_.attributes_every == Duration(0)) return;
  queue_.after(rng_.between(Duration(0), 2 * profile_.attributes_every), [this] {
    if (!stormy_) return;
    const auto host = static_cast<HostId>(rng_.below(profile_.hosts));
    if (up(host) && !hosts_[host]->process().paused()) hosts_[host]->change_attributes();
    change_attributes_now_and_then();
  });
}

void GossipPool::look_now_and_then() {
  queue_.after(kLookAtAll, [this] {
    for (const auto& host : hosts_) {
      if (host->up()) checker_.look(host->id(), host->core());
    }
    look_now_and_then();
  });
}

// The three steps of a rotation, each everywhere before the next; a process that is stopped catches up.
void GossipPool::rotate_key() {
  Duration when = rng_.between(seconds(1), seconds(4));
  const auto step = [&](void (*change)(gossip::Keyring&)) {
    queue_.after(when, [this, change] { replace_keys_everywhere(change); });
    when += kKeyStepMin + rng_.between(Duration(0), seconds(2));
  };
  step([](gossip::Keyring& keys) { CHECK(keys.install(kNewKey, make_key(kNewKey)).ok(), "install"); });
  step([](gossip::Keyring& keys) { CHECK(keys.use(kNewKey).ok(), "use"); });
  step([](gossip::Keyring& keys) { CHECK(keys.remove(kOldKey).ok(), "remove"); });
}

void GossipPool::replace_keys_everywhere(UniqueFunction<void(gossip::Keyring&)> change) {
  change(keys_);
  for (const auto& host : hosts_) {
    if (host->up()) host->replace_keys(keys_);
  }
}

Duration GossipPool::await(const char* what, Duration at_most, const std::function<bool()>& holds) {
  const MonoTime from = queue_.now();
  while (!holds()) {
    if (queue_.now() - from > at_most) violation("no {} within {} ms:{}", what, to_millis(at_most), disagreement());
    queue_.run_until(queue_.now() + kLook);
  }
  return queue_.now() - from;
}

bool GossipPool::agreed() const { return disagreement().empty(); }

// Who holds whom for what it is not; empty: all hold of each member that runs what it says itself, and no other is there.
std::string GossipPool::disagreement() const {
  std::string out;
  for (const auto& host : hosts_) {
    if (!host->up()) continue;
    for (const auto& other : hosts_) {
      if (other == host) continue;
      const auto held = host->core().find(member_of(other->id()));
      if (!other->up()) {
        if (held && !gone(held->state)) out += fmt::format(" {} holds {}, which is down, as {};", host->id(), other->id(), enum_text(held->state));
        continue;
      }
      const gossip::MemberView self = other->core().self();
      if (held && held->state == MemberState::Alive && held->incarnation == self.incarnation && held->attributes == self.attributes) continue;
      out += fmt::format(" {} holds {} as {} {};", host->id(), other->id(), held ? enum_text(held->state) : "unknown",
                         held ? held->incarnation.value() : 0);
    }
    if (out.size() > 500) return out;
  }
  return out;
}

bool GossipPool::all_hold(HostId about, MemberState state) const {
  for (const auto& host : hosts_) {
    if (!host->up() || host->id() == about) continue;
    const auto held = host->core().find(member_of(about));
    if (!held || held->state != state) return false;
  }
  return true;
}

HostId GossipPool::draw_running() {
  while (true) {
    const auto host = static_cast<HostId>(rng_.below(profile_.hosts));
    if (up(host)) return host;
  }
}

// With nothing new to tell, nothing but probes is sent.
void GossipPool::check_calm_traffic() {
  queue_.run_until(queue_.now() + kCalmDown);
  std::vector<std::uint64_t> before;
  for (const auto& host : hosts_) {
    before.push_back(host->packets_total());
    const gossip::Counts counts = host->core().counts();
    if (counts.rumors_queued != 0 || counts.health_score != 0)
      violation("{} has {} rumors to spread and a health score of {} long after the last news", host->id(),
                counts.rumors_queued, counts.health_score);
  }
  queue_.run_until(queue_.now() + kCalmLook);
  for (const auto& host : hosts_) {
    const auto sent = static_cast<double>(host->packets_total() - before[host->id()]);
    if (sent / 10.0 > kCalmPacketsPerSecond) violation("{} sends {} packets in {} calm seconds", host->id(), sent, 10);
  }
}

}  // namespace mesh::sim
