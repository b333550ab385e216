#include "tests/sim/gossip_host.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/check.h"
#include "tests/sim/gossip_checker.h"
#include "tests/sim/outcome.h"

namespace mesh::sim {
namespace {

constexpr std::uint16_t kPort = 8301;
constexpr Duration kAskAgain = milliseconds(250);
constexpr std::int64_t kWallAtStartMs = 10'000'000;
constexpr HostId kSeeds = 3;
constexpr char kPacket = 'P';
constexpr char kQuestion = 'Q';
constexpr char kAnswer = 'A';
constexpr char kRefused = 'R';
constexpr std::size_t kStreamHead = 1 + 4;

gossip::PeerAddress address_of(HostId host) {
  Bytes ip;
  append_be32(ip, 0x0a000000U + host);
  return {std::move(ip), kPort};
}
HostId host_at(const gossip::PeerAddress& address) { return read_be32(address.ip) - 0x0a000000U; }

Bytes stream_head(char kind, std::uint32_t number) {
  Bytes out(1, kind);
  append_be32(out, number);
  return out;
}

HostClock draw_clock(Rng& rng, const GossipProfile& profile) {
  const auto drift = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(profile.drift_ppm_max) * 2 + 1));
  return HostClock(MonoTime{}, MonoTime(seconds(rng.below(100'000))), drift - profile.drift_ppm_max);
}

}  // namespace

gossip::NodeId member_of(HostId host) {
  gossip::NodeId::Raw raw{};
  raw[0] = 0xa0;
  raw[14] = static_cast<std::uint8_t>(host >> 8);
  raw[15] = static_cast<std::uint8_t>(host);
  return gossip::NodeId(raw);
}
HostId host_of(const gossip::NodeId& id) { return static_cast<HostId>(id.bytes()[14] << 8 | id.bytes()[15]); }

GossipHost::GossipHost(const GossipSurroundings& around, HostId id, Rng rng)
    : around_(around), id_(id), rng_(rng), process_(around.queue, draw_clock(rng_, around.profile)) {}

gossip::Attributes GossipHost::attributes() const {
  gossip::Attributes out;
  out.name = "host-" + std::to_string(id_);
  out.role = id_ < kSeeds ? gossip::MemberRole::Server : gossip::MemberRole::Agent;
  out.version = "1.0.0";
  out.mesh_port = 8303;
  out.tags["says"] = std::to_string(says_);
  return out;
}

void GossipHost::start(const gossip::Keyring& keys) {
  process_.start();
  powered_ = true;
  has_left_ = false;
  ++says_;
  const Duration skew = rng_.between(-around_.profile.wall_skew_max, around_.profile.wall_skew_max);
  const std::int64_t wall = kWallAtStartMs + to_millis(around_.queue.now().time_since_epoch() + skew);
  gossip::Identity self{member_of(id_), address_of(id_), attributes(),
                        gossip::Incarnation(static_cast<std::uint64_t>(wall))};
  auto seal = std::make_shared<const gossip::Seal>(Uuid(), "dc1", keys);
  core_ = std::make_unique<gossip::Core>(around_.profile.core, std::move(self), std::move(seal), rng_.fork(),
                                         process_.now());
  around_.checker.started(id_);
  gossip::Join join;
  for (HostId seed = 0; seed < std::min(kSeeds, around_.profile.hosts); ++seed) join.seeds.push_back(address_of(seed));
  happen(std::move(join));
}

void GossipHost::crash(bool power_lost) {
  process_.crash();
  powered_ = !power_lost;
  core_.reset();
  calls_.clear();
  armed_for_ = kNever;
  around_.checker.stopped(id_);
}

void GossipHost::change_attributes() {
  ++says_;
  happen(gossip::SetAttributes{attributes()});
}

void GossipHost::replace_keys(const gossip::Keyring& keys) {
  process_.now_or_when_resumed(
      [this, keys] { happen(gossip::ReplaceSeal{std::make_shared<const gossip::Seal>(Uuid(), "dc1", keys)}); });
}

void GossipHost::happen(gossip::Event event) {
  carry_out(core_->step(process_.now(), std::move(event)));
  if (!up()) return;
  around_.checker.stepped(id_, *core_);
  arm();
}

void GossipHost::carry_out(gossip::Actions actions) {
  for (gossip::SendPacket& packet : actions.packets) {
    ++packets_total_;
    around_.checker.packet_sent(id_, packet);
    around_.network.send(id_, host_at(packet.to), kPacket + packet.data);
  }
  for (gossip::StreamCall& call : actions.calls) {
    const std::uint32_t number = next_call_++;
    process_.at(call.deadline, [this, number] { end_call(number, false); });
    calls_.emplace(number, std::move(call));
    ask(number);
  }
  for (const gossip::MemberEvent& event : actions.events) {
    TRACE(around_.queue, "{}: {} {} {}", id_, host_of(event.member.id), gossip::event_name(event.kind),
          event.member.incarnation.value());
    around_.checker.told(id_, event);
  }
  if (!actions.left) return;
  TRACE(around_.queue, "{}: has left", id_);
  crash(false);
  has_left_ = true;
}

void GossipHost::arm() {
  const MonoTime when = core_->next_deadline();
  if (when == armed_for_) return;
  armed_for_ = when;
  process_.at(when, [this, when] {
    if (armed_for_ != when) return;
    armed_for_ = kNever;
    happen(gossip::Tick{});
  });
}

void GossipHost::ask(std::uint32_t number) {
  const auto found = calls_.find(number);
  if (found == calls_.end()) return;
  const HostId to = host_at(found->second.to);
  around_.network.send(id_, to, stream_head(kQuestion, number) + found->second.data);
  process_.after(kAskAgain, [this, number] { ask(number); });
}

void GossipHost::end_call(std::uint32_t number, bool refused) {
  const auto found = calls_.find(number);
  if (found == calls_.end()) return;
  const gossip::StreamId id = found->second.id;
  calls_.erase(found);
  happen(gossip::StreamFailed{id, refused});
}

// The kernel of a host whose process is down refuses by itself; a process that is stopped reads it all later.
void GossipHost::deliver(HostId from, Bytes message) {
  if (!up()) {
    if (powered_ && message.front() == kQuestion)
      around_.network.send(id_, from, stream_head(kRefused, read_be32(ByteView(message).substr(1))));
    return;
  }
  process_.now_or_when_resumed([this, from, bytes = std::move(message)] {
    const char kind = bytes.front();
    if (kind == kPacket) happen(gossip::ReceivePacket{address_of(from), bytes.substr(1)});
    if (kind == kQuestion) take_question(from, bytes);
    if (kind == kAnswer) take_answer(bytes);
    if (kind == kRefused) end_call(read_be32(ByteView(bytes).substr(1)), true);
  });
}

void GossipHost::take_question(HostId from, ByteView message) {
  gossip::StreamDecoder decoder(core_->seal(), gossip::Direction::Question, std::nullopt);
  const auto whole = decoder.feed(message.substr(kStreamHead));
  if (!whole.ok() || !*whole) return;
  gossip::Actions actions = core_->step(process_.now(), gossip::StreamQuestion{decoder.id(), decoder.take()});
  const std::optional<Bytes> answer = std::move(actions.answer);
  if (answer) around_.network.send(id_, from, stream_head(kAnswer, read_be32(message.substr(1))) + *answer);
  carry_out(std::move(actions));
  if (!up()) return;
  around_.checker.stepped(id_, *core_);
  arm();
}

void GossipHost::take_answer(ByteView message) {
  const auto found = calls_.find(read_be32(message.substr(1)));
  if (found == calls_.end()) return;
  const gossip::StreamId id = found->second.id;
  gossip::StreamDecoder decoder(core_->seal(), gossip::Direction::Answer, id);
  const auto whole = decoder.feed(message.substr(kStreamHead));
  if (!whole.ok() || !*whole) return end_call(found->first, false);
  calls_.erase(found);
  happen(gossip::StreamAnswer{id, decoder.take()});
}

}  // namespace mesh::sim
