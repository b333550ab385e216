#include "daemon/gossip_part.h"

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "base/uuid.h"
#include "base/version.h"
#include "daemon/gossip_peers.h"

namespace mesh::daemon {
namespace {

constexpr std::uint32_t kGossipProtocol = 1;

gossip::Attributes attributes_of(const model::Config& config, const agent::NodeRecord& record) {
  gossip::Attributes out;
  const bool server = record.kind == model::JoinKind::Server;
  out.name = config.node;
  out.role = server ? gossip::MemberRole::Server : gossip::MemberRole::Agent;
  out.version = std::string(version());
  if (server) out.rpc_port = static_cast<std::uint16_t>(std::max(config.ports.rpc, 0));
  out.mesh_port = static_cast<std::uint16_t>(std::max(config.ports.mesh, 0));
  out.protocol = kGossipProtocol;
  return out;
}

agent::Member shown(const gossip::MemberView& view) {
  agent::Member out;
  const net::Address address = gossip::from_peer(view.address);
  out.node_id = view.id.to_string();
  out.name = view.attributes.name;
  out.address = address.ip.to_string();
  out.port = address.port;
  out.server = view.attributes.role == gossip::MemberRole::Server;
  out.version = view.attributes.version;
  if (view.state == gossip::MemberState::Failed) out.status = agent::MemberStatus::Failed;
  if (view.state == gossip::MemberState::Left) out.status = agent::MemberStatus::Left;
  return out;
}

Status write_peers(const std::string& path, ByteView bytes) {
  MESH_TRY_STATUS(make_dirs(path.substr(0, path.rfind('/'))));
  return write_file_atomic(path, bytes, {.mode = 0600});
}

void log_event(const gossip::MemberEvent& event) {
  const std::string id = event.member.id.to_string();
  const std::string address = event.member.address.to_string();
  if (event.kind == gossip::MemberEventKind::Failed)
    LOG_WARN("member failed: it does not answer", {"node", event.member.attributes.name}, {"id", id}, {"at", address});
  else
    LOG_INFO("member", {"what", gossip::event_name(event.kind)}, {"node", event.member.attributes.name}, {"id", id}, {"at", address});
}

}  // namespace

GossipPart::GossipPart(net::Loop& loop, net::BlockingWorker& disk, Options options)
    : loop_(loop),
      disk_(disk),
      path_(options.config.data_dir + "/cache/peers"),
      cluster_id_(options.node.record.cluster_id),
      port_(static_cast<std::uint16_t>(options.config.ports.gossip)),
      servers_(options.node.record.servers),
      join_(options.config.join),
      on_members_(std::move(options.on_members)),
      on_event_(std::move(options.on_event)),
      members_timer_(loop, [this] { publish(); }),
      peers_timer_(loop, [this] { save_peers(); }),
      leave_timer_(loop, [this] { on_left(); }) {}

GossipPart::~GossipPart() {
  if (driver_ == nullptr || writing_) return;
  const std::vector<net::Address> peers = peers_to_keep(driver_->members());
  if (!peers.empty()) disk_.run([path = path_, bytes = encode_gossip_peers(peers, cluster_id_)] { return write_peers(path, bytes); },
                                [](const Status&) {});
}

Result<std::unique_ptr<GossipPart>> GossipPart::open(net::Loop& loop, net::BlockingWorker& disk, MetricRegistry& metrics,
                                                     Options options) {
  if (options.config.ports.gossip == model::kPortOff)
    return error(Code::Invalid, "ports.gossip is off, but whether this host is well is known by gossip: set a port (8301)");
  const model::Config& config = options.config;
  const agent::NodeIdentity& node = options.node;
  std::unique_ptr<GossipPart> part(new GossipPart(loop, disk, std::move(options)));
  MESH_TRY_STATUS(part->start(config, node, metrics));
  return part;
}

Status GossipPart::start(const model::Config& config, const agent::NodeIdentity& node, MetricRegistry& metrics) {
  const agent::NodeRecord& record = node.record;
  gossip::DriverOptions driver;
  MESH_TRY(id, Uuid::parse(record.node_id).context("node id"));
  MESH_TRY(cluster, Uuid::parse(record.cluster_id).context("cluster id"));
  MESH_TRY(bind, net::IpAddress::parse(config.bind).context("bind"));
  MESH_TRY(advertise, net::IpAddress::parse(config.advertise).context("advertise"));
  driver.core.seeds_max = kGossipSeedsMax;
  driver.id = id;
  driver.cluster = cluster;
  driver.datacenter = record.datacenter;
  driver.attributes = attributes_of(config, record);
  driver.keys = {node.gossip_key};
  driver.bind = {bind, port_};
  driver.advertise = net::Address{advertise, port_};
  MESH_TRY(started, gossip::Driver::start(loop_, std::move(driver), metrics, *this));
  driver_ = std::move(started);
  load_peers();
  return {};
}

// Blocks; for the start.
void GossipPart::load_peers() {
  const auto bytes = read_file(path_, ByteCount{kGossipPeersBytesMax});
  if (!bytes.ok() && bytes.error().code == Code::NotFound) return;
  auto peers = bytes.ok() ? parse_gossip_peers(*bytes, cluster_id_) : Result<std::vector<net::Address>>(bytes.error());
  if (peers.ok()) known_ = std::move(*peers);
  else LOG_WARN("the members kept from the last run are of no use", {"file", path_}, {"why", peers.error()});
}

void GossipPart::join() {
  publish();
  driver_->join(gossip_seeds({.servers = servers_, .join = join_, .known = known_, .port = port_,
                              .own = gossip::from_peer(driver_->self().address)}));
}

void GossipPart::set_servers(const std::vector<std::string>& servers) {
  if (servers == servers_) return;
  servers_ = servers;
  if (driver_->self().state == gossip::MemberState::Alive) join();
}

void GossipPart::suspect(std::string_view node_id) {
  if (const auto id = Uuid::parse(node_id); id.ok()) driver_->suspect_now(*id);
}

void GossipPart::leave(UniqueFunction<void()> on_left) {
  on_left_ = std::move(on_left);
  const bool alone = driver_->counts().alive == 0;
  leave_timer_.start_after(alone ? Duration(0) : kLeaveMax);
  if (!alone) driver_->leave();
}

// ---- what the driver tells

void GossipPart::on_member(const gossip::MemberEvent& event) {
  log_event(event);
  if (on_event_) on_event_(event);
  if (members_timer_.deadline() == kNever) members_timer_.start_after(kMembersPace);
  if (peers_timer_.deadline() == kNever && !writing_) peers_timer_.start_after(kPeersPace);
}

void GossipPart::on_left() {
  leave_timer_.stop();
  if (auto tell = std::exchange(on_left_, {})) tell();
}

void GossipPart::publish() {
  auto members = std::make_shared<std::vector<agent::Member>>();
  members->push_back(shown(driver_->self()));
  for (const gossip::MemberView& member : driver_->members()) members->push_back(shown(member));
  std::sort(members->begin() + 1, members->end(), [](const agent::Member& a, const agent::Member& b) { return a.name < b.name; });
  on_members_(std::move(members));
}

void GossipPart::save_peers() {
  const std::vector<net::Address> peers = peers_to_keep(driver_->members());
  if (peers.empty()) return;  // alone, the last ones are still the best guess
  writing_ = true;
  disk_.run(
      [path = path_, bytes = encode_gossip_peers(peers, cluster_id_)] { return write_peers(path, bytes); },
      [this](const Status& status) {
        writing_ = false;
        if (!status.ok()) LOG_WARN("the members could not be kept on disk", {"file", path_}, {"why", status.error()});
      });
}

}  // namespace mesh::daemon
