#include "tests/sim/gossip_checker.h"

#include <algorithm>

#include "tests/sim/gossip_host.h"
#include "tests/sim/outcome.h"

namespace mesh::sim {
namespace {

// What others decided while a host was disturbed may still be under way.
constexpr Duration kAftermath = seconds(5);

}  // namespace

GossipChecker::GossipChecker(const EventQueue& queue, const GossipProfile& profile)
    : queue_(queue), profile_(profile), seen_(profile.hosts), up_(profile.hosts), disturbed_(profile.hosts) {}

void GossipChecker::started(HostId host) {
  up_[host] = true;
  disturbed_[host] = queue_.now();
  seen_[host].clear();
}

void GossipChecker::stopped(HostId host) { up_[host] = false; }

void GossipChecker::paused(HostId host, MonoTime until) { disturbed_[host] = std::max(disturbed_[host], until); }

bool GossipChecker::ran_lately(HostId host) const { return up_[host] && queue_.now() > disturbed_[host] + kAftermath; }

void GossipChecker::stepped(HostId observer, const gossip::Core& core) const {
  (void)observer;
  core.check_invariants();
}

void GossipChecker::packet_sent(HostId from, const gossip::SendPacket& packet) const {
  if (packet.data.size() > gossip::kPacketBytesMax) violation("{} sends a packet of {} bytes", from, packet.data.size());
}

void GossipChecker::told(HostId observer, const gossip::MemberEvent& event) {
  using Kind = gossip::MemberEventKind;
  const HostId about = host_of(event.member.id);
  Seen& seen = seen_[observer][about];
  if (event.member.incarnation < seen.incarnation)
    violation("{} sees {} go back from incarnation {} to {}", observer, about, seen.incarnation.value(),
              event.member.incarnation.value());
  seen.incarnation = event.member.incarnation;
  const bool comes = event.kind == Kind::Joined || event.kind == Kind::Recovered;
  const bool goes = event.kind == Kind::Left;
  if (comes && seen.there) violation("{} is told that {} {} while it is there", observer, about, event_name(event.kind));
  if (event.kind == Kind::Changed && !seen.there) violation("{} is told of a change of {}, which is gone", observer, about);
  if (event.kind == Kind::Failed) check_failure(observer, about);
  if (comes) seen.there = true;
  if (goes || event.kind == Kind::Failed || event.kind == Kind::Forgotten) seen.there = false;
}

// One that was stopped reads old news first, so what it is told says nothing of now.
void GossipChecker::check_failure(HostId observer, HostId about) {
  if (!ran_lately(about) || !ran_lately(observer)) return;
  ++false_failures_total_;
  if (failures_forbidden_ || profile_.weather != GossipProfile::Weather::Storm)
    violation("{} is told that {} failed, which runs", observer, about);
}

void GossipChecker::look(HostId observer, const gossip::Core& core) {
  for (const gossip::MemberView& member : core.members()) {
    Seen& seen = seen_[observer][host_of(member.id)];
    if (member.incarnation < seen.incarnation)
      violation("{} holds {} at incarnation {}, and held it at {}", observer, host_of(member.id),
                member.incarnation.value(), seen.incarnation.value());
    seen.incarnation = member.incarnation;
    if (seen.there == gone(member.state))
      violation("{} holds {} as {} and was not told so", observer, host_of(member.id), enum_text(member.state));
  }
}

}  // namespace mesh::sim
