#include "tests/sim/member_cluster.h"

#include <algorithm>
#include <array>
#include <utility>

#include "server/members.h"
#include "tests/sim/outcome.h"

namespace mesh::sim {
namespace {

constexpr Duration kLook = milliseconds(10);
constexpr std::uint64_t kLooksBetweenDuties = 10;  // of the hosts
constexpr Duration kFoundedWithin = seconds(60);
constexpr Duration kSettledWithin = seconds(40);   // doubts and graces of health, and each removal and promotion in turn
// Who is down for so long was not heard of within the plan's window, even by a leader that was paused and hears old messages.
constexpr Duration kDeadForSure = seconds(12);
constexpr Duration kLeftWithin = seconds(8);       // after a hand-over
constexpr std::uint64_t kLeaveTriesMax = 30;
constexpr WallTime kFar{hours(10'000)};
constexpr std::string_view kServerToken = "70000000-0000-4000-8000-000000000001";
constexpr std::string_view kAgentToken = "70000000-0000-4000-8000-000000000002";

// Of a host, or behind them of an agent.
std::string node_id(std::size_t node) { return fmt::format("10000000-0000-4000-8000-{:012}", node); }
std::string address_of(std::size_t node) { return fmt::format("10.0.0.{}", node + 1); }

Profile draw_member_profile(Rng& rng, HostId hosts) {
  Profile out = draw_profile(rng);
  out.play = Play::None;
  out.servers = 1;
  out.spares = hosts - 1;
  out.clients = 0;
  out.faults_for = rng.between(seconds(15), seconds(45));
  out.faults.disk_full_every = out.faults.sync_error_every = out.faults.rot_every = out.faults.member_change_every = Duration(0);
  out.faults.rot_ppm = 0;
  return out;
}

model::Leaf leaf_of(std::size_t node) {
  model::Leaf out;
  out.serial = fmt::format("{:02}", node);
  out.node_id = model::NodeId(node_id(node));
  out.uri = "spiffe://x";
  out.not_after = kFar;
  return out;
}

model::Member member_of(std::size_t node, model::JoinKind kind) {
  model::Member out;
  out.node_id = model::NodeId(node_id(node));
  out.kind = kind;
  out.name = fmt::format("host-{}", node);
  out.key_hash = Bytes(32, 'k');
  return out;
}

model::Command init_command() {
  model::InitCommand body;
  body.cluster_id = "c0000000-0000-4000-8000-000000000000";
  body.datacenter = "dc1";
  body.domain = "mesh";
  body.member = member_of(0, model::JoinKind::Server);
  model::Server row;
  row.server_id = id_of(0).value();
  row.node_id = model::NodeId(node_id(0));
  row.name = "host-0";
  row.address = address_of(0) + ":8300";
  body.server = row;
  return model::make_command(std::move(body));
}

model::Command token_command(std::string_view id, model::JoinKind kind) {
  model::JoinTokenPutCommand body;
  body.token.id = std::string(id);
  body.token.secret_hash = Bytes(32, 's');
  body.token.kind = kind;
  body.token.uses_left = 1'000;
  body.token.expires_at = kFar;
  return model::make_command(std::move(body));
}

model::Command admit_command(std::size_t node, model::JoinKind kind) {
  model::AdmitCommand body;
  body.token_id = std::string(kind == model::JoinKind::Server ? kServerToken : kAgentToken);
  body.secret_hash = Bytes(32, 's');
  body.member = member_of(node, kind);
  body.leaf = leaf_of(node);
  if (kind == model::JoinKind::Server) body.server_address = address_of(node) + ":8300";
  return model::make_command(std::move(body));
}

model::Command register_command(std::size_t node) {
  model::RegisterCommand body;
  body.node.id = model::NodeId(node_id(node));
  body.node.name = fmt::format("host-{}", node);
  body.node.address = address_of(node);
  return model::make_command(std::move(body));
}

bool is_removed(const server::State& state, std::size_t node) {
  const model::Member* member = state.member(node_id(node));
  return member != nullptr && member->revoked_at.has_value();
}

raft::Configuration founder() { return raft::Configuration{{id_of(0)}, {}}; }

}  // namespace

MemberCluster::MemberCluster(std::uint64_t seed)
    : seed_(seed), rng_(seed), profile_(draw_member_profile(rng_, kHosts)),
      network_(queue_, rng_.fork(), calm_network(), kHosts,
               [this](HostId from, HostId to, Bytes message) { servers_[to]->on_packet(from, std::move(message)); }),
      checker_(kHosts),
      hooks_{.leads = [this](HostId host) { check_leader(host); },
             .speaks = [this](HostId self, HostId other) { return server::check_speaks_as_server(state_of(self), node_id(other)).ok(); }},
      faults_(queue_, network_, *this, rng_.fork(), profile_.faults),
      agents_(kAgents), down_since_(kHosts), killed_(kHosts) {
  const Surroundings around{queue_, network_, checker_, profile_, hooks_};
  for (HostId host = 0; host < kHosts; ++host) {
    servers_.push_back(std::make_unique<Server>(around, host, rng_.fork(), host == 0 ? founder() : raft::Configuration{}));
    hosts_.push_back(std::make_unique<MemberHost>(
        queue_, *servers_[host], host, node_id(host),
        [this](HostId at, const server::MembershipView& view, const raft::MembershipChange& change) { check_change(at, view, change); }));
  }
}

MemberReport MemberCluster::run() {
  TRACE(queue_, "seed {}: {}", seed_, describe(profile_));
  found();
  look_now_and_then();
  operate();
  slander();
  network_.set_profile(profile_.network);
  faults_.start();
  queue_.run_until(queue_.now() + profile_.faults_for);
  TRACE(queue_, "the faults end");
  stormy_ = false;
  profile_.disk = DiskProfile{};
  profile_.driver.fail_ppm = 0;
  network_.set_profile(calm_network());
  killed_.assign(kHosts, false);
  faults_.stop();
  MemberReport report{.seed = seed_};
  report.settled_after = await_settled();
  report.left_after = await_leave();
  report.virtual_time = queue_.now().time_since_epoch();
  report.actions_total = queue_.actions_total();
  report.joined = next_ - 1;
  report.removed = removed_.size();
  report.changes = changes_;
  report.leaders = checker_.leaders_total();
  return report;
}

// One server, and nodes that no server runs on.
void MemberCluster::found() {
  for (HostId host = 0; host < kHosts; ++host) start(host);
  const auto founded = [this] { return state_of(0).catalog().nodes().size() == kAgents + 1; };
  while (!founded()) {
    if (queue_.now() > MonoTime(kFoundedWithin)) violation("one server founds no cluster");
    queue_.run_until(queue_.now() + milliseconds(500));
    if (state_of(0).catalog().cluster() == nullptr) servers_[0]->propose(init_command());
    servers_[0]->propose(token_command(kServerToken, model::JoinKind::Server));
    servers_[0]->propose(token_command(kAgentToken, model::JoinKind::Agent));
    for (std::size_t node = kHosts; node < kHosts + kAgents; ++node) servers_[0]->propose(admit_command(node, model::JoinKind::Agent));
    register_nodes(0);
  }
}

// --- processes

void MemberCluster::crash(HostId host, bool power_lost) {
  servers_[host]->crash(power_lost);
  down_since_[host] = queue_.now();
  tell_all(host);
}

void MemberCluster::start(HostId host) {
  if (killed_[host]) return;
  hosts_[host]->on_start();
  servers_[host]->start();
  tell_all(host);
  tell_of_all(host);
}

std::vector<raft::ServerId> MemberCluster::voters(HostId as_seen_by) const {
  return servers_[as_seen_by]->core()->configuration().voters;
}

HostId MemberCluster::likely_leader() const {
  HostId best = 0;
  raft::Term best_term;
  for (HostId host = 0; host < kHosts; ++host) {
    const raft::Core* core = servers_[host]->core();
    if (core == nullptr || core->role() != raft::Role::Leader || core->term() < best_term) continue;
    best = host;
    best_term = core->term();
  }
  return best;
}

void MemberCluster::transfer_leadership() {
  const HostId host = likely_leader();
  if (up(host)) servers_[host]->transfer(raft::ServerId(rng_.below(kHosts + 1)));
}

// --- operators

void MemberCluster::operate() {
  queue_.after(rng_.between(milliseconds(100), milliseconds(1'200)), [this] {
    if (!stormy_) return;
    act();
    operate();
  });
}

void MemberCluster::act() {
  const HostId at = likely_leader();
  change_agent();
  if (!up(at) || servers_[at]->process().paused()) return;
  register_nodes(at);
  if (joining_) return ask_to_join(at);
  if (leaving_) return ask_to_leave(at);
  const std::uint64_t what = rng_.below(8);
  if (what < 4 && next_ < kHosts) joining_ = next_++;
  else if (what < 6) begin_leave(at);
  else if (what < 7) kill(static_cast<HostId>(rng_.below(kHosts)));
}

// Again until it is done; the numbers of the servers are those of the hosts because one joins at a time.
void MemberCluster::ask_to_join(HostId at) {
  if (state_of(at).member(node_id(*joining_)) != nullptr) return joining_.reset();
  TRACE(queue_, "operators: {} joins", *joining_);
  servers_[at]->propose(admit_command(*joining_, model::JoinKind::Server));
}

// The one who leaves, or the leader, may die in the middle of it.
void MemberCluster::begin_leave(HostId at) {
  const std::vector<raft::ServerId> members = voters(at);
  leaving_ = host_of(members[rng_.below(members.size())]);
  leave_tries_ = 0;
  TRACE(queue_, "operators: {} leaves", *leaving_);
  const std::uint64_t mishap = rng_.below(4);
  if (mishap > 1) return ask_to_leave(at);
  const HostId victim = mishap == 0 ? *leaving_ : at;
  queue_.after(rng_.between(Duration(0), milliseconds(300)), [this, victim] { kill(victim); });
  ask_to_leave(at);
}

void MemberCluster::ask_to_leave(HostId at) {
  if (removed_.contains(*leaving_) || ++leave_tries_ > kLeaveTriesMax) return leaving_.reset();
  hosts_[at]->remove(node_id(*leaving_));
}

void MemberCluster::register_nodes(HostId at) {
  for (std::size_t node = 0; node < kHosts + kAgents; ++node) {
    const model::Member* member = state_of(at).member(node_id(node));
    if (member == nullptr || member->revoked_at || state_of(at).catalog().node(model::NodeId(node_id(node))) != nullptr) continue;
    servers_[at]->propose(register_command(node));
  }
}

// For good, unless less than half of the voters would be left.
void MemberCluster::kill(HostId host) {
  const HostId at = likely_leader();
  if (!stormy_ || !up(host) || !up(at)) return;
  const std::vector<raft::ServerId> members = voters(at);
  const auto dead = static_cast<std::size_t>(
      std::count_if(members.begin(), members.end(), [&](raft::ServerId each) { return killed_[host_of(each)] || host_of(each) == host; }));
  if (dead * 2 >= members.size()) return;
  TRACE(queue_, "operators: {} is killed for good", host);
  killed_[host] = true;
  crash(host, rng_.below(2) == 0);
}

void MemberCluster::change_agent() {
  if (rng_.below(3) != 0) return;
  const std::size_t agent = rng_.below(kAgents);
  constexpr std::array kStates{gossip::MemberState::Alive, gossip::MemberState::Failed, gossip::MemberState::Left};
  agents_[agent] = kStates[rng_.below(kStates.size())];
  tell_all(kHosts + agent);
}

// --- gossip

MemberCluster::Truth MemberCluster::truth(std::size_t node) const {
  if (node >= kHosts) return agents_[node - kHosts];
  return up(static_cast<HostId>(node)) ? gossip::MemberState::Alive : gossip::MemberState::Failed;
}

void MemberCluster::tell(HostId observer, std::size_t node, Truth what) {
  if (!up(observer) || observer == node || !what) return;
  gossip::MemberEvent event;
  event.kind = gossip::MemberEventKind::Changed;
  event.member.id = Uuid::parse(node_id(node)).value();
  event.member.state = *what;
  hosts_[observer]->on_member(event);
}

// Late, but then what is true by then.
void MemberCluster::tell_all(std::size_t node) {
  for (HostId observer = 0; observer < kHosts; ++observer) {
    queue_.after(rng_.between(milliseconds(100), seconds(3)), [this, observer, node] { tell(observer, node, truth(node)); });
  }
}

void MemberCluster::tell_of_all(HostId observer) {
  for (std::size_t node = 0; node < kHosts + kAgents; ++node) {
    queue_.after(rng_.between(Duration(0), seconds(1)), [this, observer, node] { tell(observer, node, truth(node)); });
  }
}

// One observer takes a node for failed, for a while.
void MemberCluster::slander() {
  queue_.after(rng_.between(milliseconds(100), seconds(2)), [this] {
    if (!stormy_) return;
    const auto observer = static_cast<HostId>(rng_.below(kHosts));
    const std::size_t node = rng_.below(kHosts + kAgents);
    if (truth(node) == gossip::MemberState::Alive) {
      tell(observer, node, gossip::MemberState::Failed);
      queue_.after(rng_.between(milliseconds(100), seconds(3)), [this, observer, node] { tell(observer, node, truth(node)); });
    }
    slander();
  });
}

// --- what must hold

void MemberCluster::look_now_and_then() {
  queue_.after(kLook, [this, number = queue_.now().time_since_epoch() / kLook] {
    check_now();
    for (HostId host = 0; host < kHosts; ++host) {
      const bool due = (static_cast<std::uint64_t>(number) + host) % kLooksBetweenDuties == 0;
      if (due && up(host) && !servers_[host]->process().paused()) hosts_[host]->look();
    }
    look_now_and_then();
  });
}

void MemberCluster::check_now() {
  for (HostId host = 0; host < kHosts; ++host) {
    if (!up(host)) continue;
    for (HostId other = 0; other < kHosts; ++other) {
      if (!is_removed(state_of(host), other)) continue;
      if (removed_.insert(other).second) TRACE(queue_, "members: {} is removed", other);
      if (servers_[host]->core()->configuration().contains(id_of(other)))
        violation("server {} dropped the row of {}, which is in its Raft configuration", host, other);
    }
  }
}

void MemberCluster::check_leader(HostId host) {
  for (HostId other = 0; other < kHosts; ++other) {
    if (up(other) && is_removed(state_of(other), host)) violation("server {} leads after its removal", host);
  }
  hosts_[host]->on_leads();
}

void MemberCluster::check_change(HostId host, const server::MembershipView& view, const raft::MembershipChange& change) {
  ++changes_;
  const raft::Core& core = *servers_[host]->core();
  if (!core.configuration_committed()) violation("server {} makes a change before the last one is committed", host);
  if (change.kind != raft::MembershipChange::Kind::Remove || !view.configuration.is_voter(change.server)) return;
  std::size_t others = 0, dead = 0;
  for (const raft::ServerId voter : view.configuration.voters) {
    if (voter == change.server) continue;
    ++others;
    const HostId other = host_of(voter);
    dead += !up(other) && queue_.now() - down_since_[other] > kDeadForSure ? 1 : 0;
  }
  if (others == 0 || others - dead <= others / 2)
    violation("server {} removes {}, and of the {} voters left {} are dead", host, host_of(change.server), others, dead);
}

Duration MemberCluster::await_settled() {
  const MonoTime from = queue_.now();
  for (std::string why = unsettled(); !why.empty(); why = unsettled()) {
    if (queue_.now() - from > kSettledWithin) violation("not settled in {} ms: {}", to_millis(kSettledWithin), why);
    queue_.run_until(queue_.now() + milliseconds(50));
  }
  return queue_.now() - from;
}

Duration MemberCluster::await_leave() {
  const MonoTime from = queue_.now();
  const std::vector<raft::ServerId> members = voters(likely_leader());
  if (members.size() < 2) return {};
  leaving_ = host_of(members[rng_.below(members.size())]);
  while (!removed_.contains(*leaving_)) {
    if (queue_.now() - from > kLeftWithin) violation("server {} has not left in {} ms", *leaving_, to_millis(kLeftWithin));
    if (up(likely_leader())) hosts_[likely_leader()]->remove(node_id(*leaving_));  // as its caller does: again at the next leader
    queue_.run_until(queue_.now() + milliseconds(100));
  }
  (void)await_settled();
  return queue_.now() - from;
}

std::string MemberCluster::unsettled() const {
  const HostId host = likely_leader();
  if (!up(host)) return "no leader";
  const raft::Core& core = *servers_[host]->core();
  if (core.role() != raft::Role::Leader) return "no leader";
  if (core.commit() != core.last().index || core.applied() != core.commit() || !core.configuration_committed())
    return fmt::format("leader {} has not committed all", host);
  for (HostId other = 0; other < kHosts; ++other) {
    if (!core.configuration().contains(id_of(other))) continue;
    if (servers_[other]->core()->applied() != core.commit()) return fmt::format("server {} has not applied all", other);
    if (state_of(other).hash() != state_of(host).hash()) violation("servers {} and {} applied the same and differ", host, other);
  }
  std::string out = unsettled_members(core, state_of(host));
  return out.empty() ? unsettled_health(state_of(host)) : out;
}

std::string MemberCluster::unsettled_members(const raft::Core& core, const server::State& state) const {
  for (HostId host = 0; host < kHosts; ++host) {
    const bool has_row = state.servers().find(model::server_key(id_of(host).value())) != nullptr;
    if (has_row && !core.configuration().is_voter(id_of(host))) return fmt::format("server {} has a row and no vote", host);
    if (!has_row && core.configuration().contains(id_of(host))) return fmt::format("server {} has no row and is in Raft", host);
    if (has_row && is_removed(state, host)) return fmt::format("server {} is removed and has a row", host);
  }
  return {};
}

std::string MemberCluster::unsettled_health(const server::State& state) const {
  for (std::size_t node = 0; node < kHosts + kAgents; ++node) {
    const model::NodeId id(node_id(node));
    if (state.catalog().node(id) == nullptr || is_removed(state, node)) continue;
    const model::Check* check = state.catalog().check(id, model::kSerfHealth);
    const bool well = truth(node) == gossip::MemberState::Alive;
    const auto expected = well ? model::CheckStatus::Passing : model::CheckStatus::Critical;
    if (check == nullptr || check->status != expected)
      return fmt::format("node {} is {}, its health is {}", node, well ? "well" : "not well", check == nullptr ? "unknown" : enum_text(check->status));
  }
  return {};
}

}  // namespace mesh::sim
