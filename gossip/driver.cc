#include "gossip/driver.h"

#include <array>
#include <utility>

#include "base/check.h"
#include "base/clock.h"
#include "gossip/driver_key.h"
#include "net/crypto.h"
#include "net/loop.h"

namespace mesh::gossip {
namespace {

constexpr int kPortTries = 16;                        // a free TCP port may be taken for UDP
constexpr int kReceiveBufferBytes = 1024 * 1024;      // a storm of rumors in a large pool

Result<Keyring> make_keyring(const std::vector<Bytes>& keys) {
  if (keys.empty()) return error(Code::Invalid, "gossip needs at least one key");
  Keyring out;
  for (const Bytes& key : keys) {
    MESH_TRY(sealer, make_sealer(key));
    MESH_TRY_STATUS(out.install(key_id(key), std::move(sealer)));
  }
  return out;
}

Status check_attributes(const Attributes& attributes) {
  const std::size_t bytes = encode(attributes).size();
  if (bytes <= kAttributesBytesMax) return {};
  return error(Code::Invalid, "name, version and tags of this node take {} bytes of gossip, at most {} fit: shorten its tags",
               bytes, kAttributesBytesMax);
}

Rng seeded_rng() {
  const Bytes seed = net::random_bytes(8);
  return Rng(read_be64(seed));
}

Incarnation incarnation_now() {
  const std::int64_t ms = to_millis(wall_now().time_since_epoch());
  return Incarnation(static_cast<std::uint64_t>(std::max<std::int64_t>(ms, 1)));
}

}  // namespace

PeerAddress to_peer(const net::Address& address) {
  const auto& raw = address.ip.bytes();
  return {Bytes(raw.begin(), raw.begin() + (address.ip.is_v4() ? 4 : 16)), address.port};
}

net::Address from_peer(const PeerAddress& address) {
  CHECK(address.valid(), "no address");
  if (address.ip.size() == 4) return {net::IpAddress::v4(read_be32(address.ip)), address.port};
  std::array<std::uint8_t, 16> raw{};
  std::copy(address.ip.begin(), address.ip.end(), raw.begin());
  return {net::IpAddress::v6(raw), address.port};
}

struct Driver::Metrics {
  explicit Metrics(MetricRegistry& registry);
  void count(const Counts& now);

  struct Row {
    std::uint64_t Counts::*value;
    const char* name;
    const char* help;
    Counter counter{};
  };
  std::array<Row, 10> rows;
  Counter packets_sent;
  Counter packets_received;
  Gauge alive;
  Gauge score;
  Counts before;
};

Driver::Metrics::Metrics(MetricRegistry& registry)
    : rows{{{&Counts::packets_refused, "meshd_gossip_packets_refused_total", "Packets that did not open or make sense."},
            {&Counts::probes, "meshd_gossip_probes_total", "Members probed in their turn."},
            {&Counts::probes_failed, "meshd_gossip_probes_failed_total", "Probes that no answer came to by any way."},
            {&Counts::suspicions, "meshd_gossip_suspicions_total", "Suspicions begun."},
            {&Counts::failures_declared, "meshd_gossip_failures_declared_total", "Failures that this member declared."},
            {&Counts::refutations, "meshd_gossip_refutations_total", "Rumors about this member that it contradicted."},
            {&Counts::exchanges, "meshd_gossip_exchanges_total", "Exchanges of whole tables begun here."},
            {&Counts::exchanges_failed, "meshd_gossip_exchanges_failed_total", "Exchanges without an answer."},
            {&Counts::members_refused, "meshd_gossip_members_refused_total", "Members that the full table had no room for."},
            {&Counts::lags, "meshd_gossip_lags_total", "Times that this process was late by more than 100 ms."}}} {
  for (Row& row : rows) row.counter = registry.counter({.name = row.name, .help = row.help});
  packets_sent = registry.counter({.name = "meshd_gossip_packets_sent_total", .help = "Packets given to the socket."});
  packets_received = registry.counter({.name = "meshd_gossip_packets_received_total", .help = "Packets that came in."});
  alive = registry.gauge({.name = "meshd_gossip_members", .help = "Other members that are alive or suspect."});
  score = registry.gauge({.name = "meshd_gossip_health_score", .help = "How badly this member itself does, 0 to 7."});
}

void Driver::Metrics::count(const Counts& now) {
  for (const Row& row : rows) {
    if (const std::uint64_t more = now.*row.value - before.*row.value; more != 0) row.counter.add(more);
  }
  if (now.alive != before.alive) alive.set(static_cast<double>(now.alive));
  if (now.health_score != before.health_score) score.set(now.health_score);
  before = now;
}

Driver::Driver(net::Loop& loop, DriverOptions options, MetricRegistry& metrics, DriverObserver& observer)
    : loop_(loop), options_(std::move(options)), observer_(observer), metrics_(std::make_unique<Metrics>(metrics)),
      self_(std::make_shared<Driver*>(this)), streams_(loop, *this), timer_(loop, [this] { happen(Tick{}); }) {}

Driver::~Driver() { *self_ = nullptr; }

Result<std::unique_ptr<Driver>> Driver::start(net::Loop& loop, DriverOptions options, MetricRegistry& metrics,
                                              DriverObserver& observer) {
  MESH_TRY(keys, make_keyring(options.keys));
  MESH_TRY_STATUS(check_attributes(options.attributes));
  MESH_TRY_STATUS(options.core.validate());
  if (options.id.is_nil()) return error(Code::Invalid, "gossip needs a node id");
  for (Bytes& key : options.keys) net::wipe(key);
  options.keys.clear();
  std::unique_ptr<Driver> driver(new Driver(loop, std::move(options), metrics, observer));
  MESH_TRY_STATUS(driver->open_sockets().context("while opening the gossip port (ports.gossip, --gossip-port)"));
  if (const net::IpAddress ip = driver->options_.advertise->ip; ip.is_any() || ip.is_multicast())
    return error(Code::Invalid, "gossip cannot advertise {}: set `advertise` to an address that others reach", ip.to_string());
  driver->start_core(std::move(keys));
  return driver;
}

Status Driver::open_sockets() {
  Status opened = bind_both(options_.bind.port);
  for (int i = 1; i < kPortTries && options_.bind.port == 0 && !opened.ok(); ++i) opened = bind_both(0);
  MESH_TRY_STATUS(std::move(opened));
  if (!options_.advertise) options_.advertise = udp_->local();
  if (options_.advertise->port == 0) options_.advertise->port = udp_->local().port;
  return {};
}

Status Driver::bind_both(std::uint16_t port) {
  MESH_TRY(tcp, net::StreamListener::listen(loop_, net::Address{options_.bind.ip, port}, {},
                                            [this](auto stream) { streams_.accept(std::move(stream)); }));
  const net::Address where = tcp->local().address();
  MESH_TRY(udp, net::UdpSocket::bind(loop_, where, {.receive_buffer_bytes = kReceiveBufferBytes},
                                     [this](const net::Address& from, ByteView data) {
                                       metrics_->packets_received.add();
                                       happen(ReceivePacket{to_peer(from), Bytes(data)});
                                     }));
  tcp_ = std::move(tcp);
  udp_ = std::move(udp);
  return {};
}

void Driver::start_core(Keyring keys) {
  auto seal = std::make_shared<const Seal>(options_.cluster, options_.datacenter, std::move(keys));
  Identity self{options_.id, to_peer(*options_.advertise), options_.attributes, incarnation_now()};
  core_ = std::make_unique<Core>(options_.core, std::move(self), std::move(seal), seeded_rng(), loop_.now());
  timer_.start_at(core_->next_deadline());
}

// What is told to the observer waits for the end of this turn of the loop.
std::optional<Bytes> Driver::step(Event event) {
  Actions actions = core_->step(loop_.now(), std::move(event));
  for (const SendPacket& packet : actions.packets) {
    metrics_->packets_sent.add();
    udp_->send(from_peer(packet.to), packet.data);
  }
  for (StreamCall& call : actions.calls) {
    const net::Address to = from_peer(call.to);
    streams_.call(std::move(call), to);
  }
  if (!actions.events.empty() || actions.left) {
    loop_.defer([self = self_, events = std::move(actions.events), left = actions.left]() mutable {
      if (*self != nullptr) (*self)->report(std::move(events), left);
    });
  }
  metrics_->count(core_->counts());
  timer_.start_at(core_->next_deadline());
  return std::move(actions.answer);
}

void Driver::report(std::vector<MemberEvent> events, bool left) {
  const std::shared_ptr<Driver*> self = self_;
  for (const MemberEvent& event : events) {
    observer_.on_member(event);
    if (*self == nullptr) return;
  }
  if (left) observer_.on_left();
}

void Driver::join(const std::vector<net::Address>& seeds) {
  Join join;
  for (const net::Address& seed : seeds) {
    if (PeerAddress peer = to_peer(seed); peer.valid()) join.seeds.push_back(std::move(peer));
  }
  happen(std::move(join));
}

void Driver::leave() { happen(Leave{}); }
void Driver::suspect_now(const NodeId& id) { happen(SuspectNow{id}); }

Status Driver::set_attributes(const Attributes& attributes) {
  MESH_TRY_STATUS(check_attributes(attributes));
  happen(SetAttributes{attributes});
  return {};
}

void Driver::replace_keys(Keyring keys) {
  happen(ReplaceSeal{std::make_shared<const Seal>(options_.cluster, options_.datacenter, std::move(keys))});
}

Status Driver::install_key(ByteView key) {
  Keyring keys = core_->seal()->keys();
  MESH_TRY(sealer, make_sealer(key));
  MESH_TRY_STATUS(keys.install(key_id(key), std::move(sealer)));
  replace_keys(std::move(keys));
  return {};
}

Status Driver::use_key(KeyId id) {
  Keyring keys = core_->seal()->keys();
  MESH_TRY_STATUS(keys.use(id));
  replace_keys(std::move(keys));
  return {};
}

Status Driver::remove_key(KeyId id) {
  Keyring keys = core_->seal()->keys();
  MESH_TRY_STATUS(keys.remove(id));
  replace_keys(std::move(keys));
  return {};
}

}  // namespace mesh::gossip
