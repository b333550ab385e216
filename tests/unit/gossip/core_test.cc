// One core under test (member 0), driven through scenarios; the other members are what the test says in their name.
#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gossip/core.h"
#include "tests/sim/sim_sealer.h"
#include "tests/test.h"

namespace mesh::gossip {
namespace {

NodeId member(std::uint8_t number) {
  NodeId::Raw raw{};
  raw[0] = 0xa0;
  raw[15] = number;
  return NodeId(raw);
}

PeerAddress address(std::uint8_t number) { return {Bytes{10, 0, 0, static_cast<char>(number)}, 8301}; }

Attributes named(std::uint8_t number, const char* tag = "") {
  Attributes out;
  out.name = "host-" + std::to_string(number);
  if (*tag != '\0') out.tags["tag"] = tag;
  return out;
}

Rumor said(std::uint8_t about, MemberState state, std::uint64_t incarnation, std::optional<std::uint8_t> accuser = {}) {
  Rumor out;
  out.id = id_bytes(member(about));
  out.state = state;
  out.incarnation = Incarnation(incarnation);
  if (accuser) out.accuser = id_bytes(member(*accuser));
  if (state == MemberState::Alive) {
    out.ip = address(about).ip;
    out.port = address(about).port;
    out.attributes = encode(named(about));
  }
  return out;
}

std::shared_ptr<const Seal> test_seal(std::uint32_t key = 1) {
  Keyring keys;
  CHECK(keys.install(KeyId(key), std::make_shared<sim::SimSealer>(key)).ok(), "install");
  return std::make_shared<const Seal>(Uuid(), "dc1", keys);
}

class Bench {
 public:
  explicit Bench(CoreOptions options = {})
      : core(options, {member(0), address(0), named(0), Incarnation(100)}, test_seal(), Rng(1), now) {}

  // Members 1 to `count` are alive with incarnation 5, and that is no longer news.
  void with_members(std::uint8_t count) {
    for (std::uint8_t i = 1; i <= count; ++i) hear(i, {said(i, MemberState::Alive, 5)});
    answer_all = true;
    run(seconds(20));
    answer_all = false;
    forget();
  }
  void step(Event event) {
    Actions actions = core.step(now, std::move(event));
    core.check_invariants();
    for (SendPacket& packet : actions.packets) {
      EXPECT(packet.data.size() <= kPacketBytesMax);
      sent.push_back({now, packet.to, decode_packet(core.seal()->open_packet(packet.data).value()).value()});
    }
    for (StreamCall& call : actions.calls) calls.push_back(std::move(call));
    for (MemberEvent& event_told : actions.events) {
      told.push_back(std::string(event_name(event_told.kind)) + " " +
                     std::to_string(event_told.member.id.bytes()[15]) + " " +
                     std::to_string(event_told.member.incarnation.value()));
    }
    left = left || actions.left;
    if (actions.answer) answer = std::move(actions.answer);
  }
  void receive(std::uint8_t from, Packet packet) {
    packet.sender = id_bytes(member(from));
    step(ReceivePacket{address(from), core.seal()->seal_packet(encode(packet))});
  }
  void hear(std::uint8_t from, std::vector<Rumor> rumors) {
    Packet packet;
    packet.rumors = std::move(rumors);
    receive(from, packet);
  }
  void acknowledge(const PeerAddress& from, const Ping& ping) {
    Packet packet;
    packet.ack = Answer{ping.sequence, ping.target};
    receive(static_cast<std::uint8_t>(from.ip[3]), packet);
  }
  // Lets time pass, with every timer on time. Pings and requests for pings (with a nack) are answered by `up`, or
  // by all.
  void run(Duration time) {
    const MonoTime until = now + time;
    while (core.next_deadline() <= until) {
      now = std::max(now, core.next_deadline());
      step(Tick{});
      serve();
    }
    now = until;
  }
  void serve() {
    for (; served < sent.size(); ++served) {
      const PeerAddress to = sent[served].to;
      const Packet packet = sent[served].packet;
      const auto number = static_cast<std::uint8_t>(to.ip[3]);
      if (!answer_all && std::find(up.begin(), up.end(), number) == up.end()) continue;
      if (packet.ping && packet.ping->target == id_bytes(member(number))) acknowledge(to, *packet.ping);
      if (packet.ping_request) {
        Packet nack;
        nack.nack = Answer{packet.ping_request->sequence, packet.ping_request->target};
        receive(number, nack);
      }
    }
  }
  void forget() {
    sent.clear();
    served = 0;
    calls.clear();
    told.clear();
  }
  [[nodiscard]] MemberState state(std::uint8_t number) const { return core.find(member(number))->state; }
  // Rumors sent so far about the member, with the numbers of times.
  [[nodiscard]] std::size_t times_sent(std::uint8_t about, MemberState of) const {
    std::size_t out = 0;
    for (const auto& each : sent) {
      for (const Rumor& rumor : each.packet.rumors) out += rumor.id == id_bytes(member(about)) && rumor.state == of ? 1 : 0;
    }
    return out;
  }
  [[nodiscard]] std::vector<const Packet*> pings_to(std::uint8_t number) const {
    std::vector<const Packet*> out;
    for (const auto& each : sent) {
      if (each.packet.ping && each.to == address(number)) out.push_back(&each.packet);
    }
    return out;
  }

  struct Sent {
    MonoTime when;
    PeerAddress to;
    Packet packet;
  };
  MonoTime now{seconds(1000)};
  Core core;
  std::vector<Sent> sent;
  std::size_t served = 0;
  std::vector<StreamCall> calls;
  std::vector<std::string> told;
  std::optional<Bytes> answer;
  bool left = false;
  bool answer_all = false;
  std::vector<std::uint8_t> up;
};

TEST_CASE("what is said of a member is ordered by incarnation, then by state") {
  struct Row {
    MemberState before;
    std::uint64_t before_incarnation;
    MemberState rumor;
    std::uint64_t incarnation;
    MemberState after;
  };
  using enum MemberState;
  const Row kRows[] = {
      {Alive, 5, Alive, 4, Alive},     {Alive, 5, Suspect, 4, Alive},   {Alive, 5, Failed, 4, Alive},
      {Alive, 5, Left, 4, Alive},      {Alive, 5, Suspect, 5, Suspect}, {Alive, 5, Left, 5, Left},
      {Alive, 5, Failed, 5, Suspect},  // never suspected: it may contradict first
      {Suspect, 5, Alive, 5, Suspect}, {Suspect, 5, Alive, 6, Alive},   {Suspect, 5, Failed, 5, Failed},
      {Suspect, 5, Failed, 4, Suspect}, {Suspect, 5, Left, 5, Left},    {Failed, 5, Alive, 5, Failed},
      {Failed, 5, Alive, 6, Alive},    {Failed, 5, Suspect, 6, Failed}, {Failed, 5, Left, 5, Left},
      {Left, 5, Failed, 5, Left},      {Left, 5, Suspect, 5, Left},     {Left, 5, Alive, 5, Left},
      {Left, 5, Alive, 6, Alive},      {Left, 5, Failed, 6, Failed},
  };
  for (const Row& row : kRows) {
    Bench bench;
    bench.hear(2, {said(2, Alive, 5), said(1, Alive, row.before_incarnation)});
    if (row.before == Suspect || row.before == Failed) bench.hear(2, {said(1, Suspect, row.before_incarnation, 2)});
    if (row.before == Failed || row.before == Left) bench.hear(2, {said(1, row.before, row.before_incarnation, 2)});
    REQUIRE(bench.state(1) == row.before);
    bench.hear(2, {said(1, row.rumor, row.incarnation, 2)});
    INFO(enum_text(row.before), " ", row.before_incarnation, " + ", enum_text(row.rumor), " ", row.incarnation);
    EXPECT_EQ(enum_text(bench.state(1)), enum_text(row.after));
  }
}

TEST_CASE("members are told of once, with what happens to them") {
  Bench bench;
  bench.hear(1, {said(1, MemberState::Alive, 5)});
  bench.hear(1, {said(1, MemberState::Alive, 5)});
  Rumor changed = said(1, MemberState::Alive, 6);
  changed.attributes = encode(named(1, "new"));
  bench.hear(1, {changed});
  bench.hear(1, {said(1, MemberState::Alive, 7)});
  bench.hear(2, {said(1, MemberState::Suspect, 7, 2)});
  bench.hear(2, {said(1, MemberState::Failed, 7, 2)});
  bench.hear(1, {said(1, MemberState::Alive, 8)});
  bench.hear(1, {said(1, MemberState::Left, 8)});
  bench.hear(1, {said(1, MemberState::Alive, 9)});
  EXPECT_EQ(bench.told, std::vector<std::string>{"joined 1 5", "changed 1 6", "changed 1 7", "failed 1 7", "recovered 1 8",
                                                 "left 1 8", "joined 1 9"});
}

TEST_CASE("a member contradicts what is said of it with a higher incarnation, and spreads that") {
  for (const auto state : {MemberState::Suspect, MemberState::Failed, MemberState::Left}) {
    Bench bench;
    bench.with_members(3);
    bench.hear(2, {said(0, state, 100, 1)});
    EXPECT_EQ(bench.core.self().incarnation, Incarnation(101));
    bench.hear(2, {said(0, state, 4000, 1)});
    EXPECT_EQ(bench.core.self().incarnation, Incarnation(4001));
    bench.hear(2, {said(0, state, 4000, 1)});
    EXPECT_EQ(bench.core.self().incarnation, Incarnation(4001));
    EXPECT_EQ(bench.core.counts().refutations, 2U);
    bench.run(milliseconds(300));
    EXPECT(bench.times_sent(0, MemberState::Alive) >= 3);
  }
}

TEST_CASE("an older life's words are contradicted, one's own are not") {
  Bench bench;
  bench.hear(1, {said(1, MemberState::Alive, 5), said(0, MemberState::Alive, 100)});
  EXPECT_EQ(bench.core.self().incarnation, Incarnation(100));
  bench.hear(1, {said(0, MemberState::Alive, 300)});
  EXPECT_EQ(bench.core.self().incarnation, Incarnation(301));
}

TEST_CASE("a member that believes what is outlived is corrected, at most once a second") {
  Bench bench;
  bench.with_members(2);
  for (int i = 0; i < 5; ++i) bench.hear(1, {said(0, MemberState::Failed, 90, 2)});
  REQUIRE_EQ(bench.sent.size(), 1U);
  EXPECT_EQ(bench.sent[0].to, address(1));
  EXPECT_EQ(bench.times_sent(0, MemberState::Alive), 1U);
}

TEST_CASE("a probe goes from one ping to all ways, and its failure is a suspicion told to the suspect first") {
  Bench bench;
  bench.with_members(5);
  bench.up = {1, 2, 3, 4};
  while (bench.pings_to(5).empty()) bench.run(milliseconds(10));
  const MonoTime began = bench.now;
  EXPECT(bench.calls.empty());
  bench.run(milliseconds(160));
  EXPECT_EQ(bench.pings_to(5).size(), 2U);
  std::size_t asked = 0;
  for (const auto& each : bench.sent) asked += each.packet.ping_request ? 1 : 0;
  EXPECT_EQ(asked, 3U);
  REQUIRE_EQ(bench.calls.size(), 1U);
  EXPECT_EQ(bench.calls[0].to, address(5));
  EXPECT(bench.state(5) == MemberState::Alive);
  bench.run(milliseconds(250));
  EXPECT(bench.state(5) == MemberState::Suspect);
  EXPECT(bench.now - began < milliseconds(450));
  bench.run(milliseconds(400));
  EXPECT(bench.times_sent(5, MemberState::Suspect) >= 3);
  EXPECT(bench.told.empty());
}

TEST_CASE("an answer by a relay or by TCP is as good as a direct one") {
  for (const bool by_tcp : {false, true}) {
    Bench bench;
    bench.with_members(5);
    bench.up = {1, 2, 3, 4};
    while (bench.calls.empty()) bench.run(milliseconds(10));
    if (by_tcp) {
      StreamMessage message;
      message.sender = message.target = id_bytes(member(5));
      bench.step(StreamAnswer{bench.calls[0].id, message});
    } else {
      Packet ack;
      ack.ack = Answer{bench.pings_to(5)[0]->ping->sequence, id_bytes(member(5))};
      bench.receive(2, ack);
    }
    bench.run(milliseconds(300));
    EXPECT(bench.state(5) == MemberState::Alive);
    EXPECT_EQ(bench.core.counts().probes_failed, 0U);
  }
}

TEST_CASE("another node at the member's address does not vouch for it") {
  Bench bench;
  bench.with_members(2);
  Packet stranger;
  stranger.ping = Ping{77, id_bytes(member(9))};
  bench.forget();
  bench.receive(1, stranger);
  for (const auto& each : bench.sent) EXPECT_FALSE(each.packet.ack.has_value());
  bench.up = {1};
  while (bench.calls.empty()) bench.run(milliseconds(10));
  StreamMessage message;
  message.sender = message.target = id_bytes(member(9));
  bench.step(StreamAnswer{bench.calls[0].id, message});
  bench.run(milliseconds(300));
  EXPECT(bench.state(2) == MemberState::Suspect);
}

// From the first suspicion to the failure, with `confirmations` further accusers at once.
Duration time_to_fail(std::uint8_t confirmations) {
  Bench bench;
  bench.with_members(6);
  bench.up = {1, 2, 3, 4, 5};
  while (bench.state(6) != MemberState::Suspect) bench.run(milliseconds(1));
  const MonoTime began = bench.now;
  for (std::uint8_t i = 1; i <= confirmations; ++i) bench.hear(i, {said(6, MemberState::Suspect, 5, i)});
  while (bench.state(6) == MemberState::Suspect) bench.run(milliseconds(1));
  REQUIRE_EQ(bench.told, std::vector<std::string>{"failed 6 5"});
  return bench.now - began;
}

TEST_CASE("a suspicion ends the sooner the more members confirm it, and only after another failed probe") {
  EXPECT_EQ(to_millis(time_to_fail(0) + milliseconds(50)) / 1000, 6);
  EXPECT_EQ(to_millis(time_to_fail(1) + milliseconds(50)) / 100, 28);
  EXPECT_EQ(to_millis(time_to_fail(2) + milliseconds(50)) / 100, 10);
  EXPECT_EQ(to_millis(time_to_fail(5) + milliseconds(50)) / 100, 10);
}

TEST_CASE("a member in doubt of itself gives a suspect more time") {
  Bench bench;
  bench.with_members(4);  // nobody answers, not even the relays
  const MonoTime began = bench.now;
  while (bench.told.empty()) bench.run(milliseconds(1));
  EXPECT(bench.core.counts().health_score >= 4);
  EXPECT(bench.now - began > seconds(4));
}

TEST_CASE("nobody declares a failure on hearsay: a suspect that answers is kept") {
  Bench bench;
  bench.with_members(6);
  bench.answer_all = true;
  for (std::uint8_t i = 1; i <= 5; ++i) bench.hear(i, {said(6, MemberState::Suspect, 5, i)});
  bench.run(seconds(60));
  EXPECT(bench.state(6) == MemberState::Suspect);
  EXPECT(bench.told.empty());
  for (const Packet* ping : bench.pings_to(6)) {
    REQUIRE_FALSE(ping->rumors.empty());
    EXPECT(ping->rumors[0].id == id_bytes(member(6)));  // it is told in each ping, so that it contradicts
  }
  bench.hear(6, {said(6, MemberState::Alive, 6)});
  EXPECT(bench.state(6) == MemberState::Alive);
}

TEST_CASE("a process that was stopped blames nobody for the time") {
  Bench bench;
  bench.with_members(4);
  while (bench.core.counts().probes_open == 0) bench.run(milliseconds(10));
  bench.hear(1, {said(2, MemberState::Suspect, 5, 1)});
  bench.now += seconds(30);
  bench.step(Tick{});
  EXPECT_EQ(bench.core.counts().probes_failed, 0U);
  EXPECT_EQ(bench.core.counts().lags, 1U);
  EXPECT(bench.told.empty());
  bench.answer_all = true;
  bench.serve();
  bench.run(milliseconds(100));
  EXPECT(bench.told.empty());
}

TEST_CASE("SuspectNow probes by all ways at once; with a refused connection half a second of suspicion is left") {
  for (const bool refused : {false, true}) {
    Bench bench;
    bench.with_members(5);
    bench.up = {1, 2, 3, 4};
    const MonoTime began = bench.now;
    bench.step(SuspectNow{member(5)});
    REQUIRE_EQ(bench.calls.size(), 1U);
    std::size_t asked = 0;
    for (const auto& each : bench.sent) asked += each.packet.ping_request ? 1 : 0;
    EXPECT_EQ(asked, 3U);
    bench.step(StreamFailed{bench.calls[0].id, refused});
    while (bench.state(5) != MemberState::Failed) bench.run(milliseconds(1));
    EXPECT_EQ(to_millis(bench.now - began) / 100, refused ? 6 : 32);
  }
}

TEST_CASE("SuspectNow about a member that answers changes nothing") {
  Bench bench;
  bench.with_members(5);
  bench.answer_all = true;
  bench.step(SuspectNow{member(5)});
  bench.step(SuspectNow{member(77)});
  bench.serve();
  bench.run(seconds(5));
  EXPECT(bench.state(5) == MemberState::Alive);
  EXPECT_EQ(bench.core.counts().suspicions, 0U);
}

TEST_CASE("each rumor is sent a bounded number of times") {
  Bench bench;
  bench.with_members(5);
  bench.answer_all = true;
  bench.hear(1, {said(9, MemberState::Alive, 5)});
  bench.run(seconds(30));
  EXPECT_EQ(bench.times_sent(9, MemberState::Alive), 14U);  // 8 + 2 * ln(8)
  EXPECT_EQ(bench.core.counts().rumors_queued, 0U);
}

TEST_CASE("a ping for another is passed on, its ack back, and a nack if there is none in time") {
  Bench bench;
  bench.with_members(3);
  Packet request;
  request.ping_request = PingRequest{4711, id_bytes(member(3)), address(3).ip, address(3).port};
  bench.receive(1, request);
  REQUIRE_EQ(bench.pings_to(3).size(), 1U);
  const Ping ping = *bench.pings_to(3)[0]->ping;
  bench.run(milliseconds(200));
  const auto back = [&](const std::optional<Answer> Packet::*kind) {
    return std::count_if(bench.sent.begin(), bench.sent.end(), [&](const auto& each) {
      const auto& answer = each.packet.*kind;
      return each.to == address(1) && answer && answer->sequence == 4711 && answer->about == id_bytes(member(3));
    });
  };
  EXPECT_EQ(back(&Packet::nack), 1);
  bench.acknowledge(address(3), ping);
  EXPECT_EQ(back(&Packet::ack), 1);
  bench.acknowledge(address(3), ping);
  EXPECT_EQ(back(&Packet::ack), 1);
}

TEST_CASE("who leaves says so, answers meanwhile, and is not to be talked out of it") {
  Bench bench;
  bench.with_members(3);
  bench.answer_all = true;
  bench.step(Leave{});
  bench.hear(1, {said(0, MemberState::Suspect, 100, 1)});
  Packet ping;
  ping.ping = Ping{5, id_bytes(member(0))};
  bench.receive(1, ping);
  EXPECT(std::any_of(bench.sent.begin(), bench.sent.end(), [](const auto& each) { return each.packet.ack.has_value(); }));
  EXPECT_FALSE(bench.left);
  bench.run(milliseconds(900));
  EXPECT_FALSE(bench.left);
  bench.run(milliseconds(200));
  EXPECT(bench.left);
  EXPECT(bench.times_sent(0, MemberState::Left) >= 8);
  EXPECT(bench.core.next_deadline() == kNever);
  EXPECT(bench.pings_to(1).empty());
}

TEST_CASE("tables are exchanged at joining; what one side holds for failed is looked into, what is gone long is left out") {
  Bench bench;
  bench.step(Join{{address(1), address(0), address(2)}});
  REQUIRE_EQ(bench.calls.size(), 2U);  // not with ourselves
  StreamMessage table;
  table.sender = id_bytes(member(1));
  table.kind = StreamKind::Exchange;
  for (std::uint8_t i = 1; i <= 5; ++i) table.rumors.push_back(said(i, MemberState::Alive, 5));
  table.rumors[2].state = MemberState::Suspect;
  table.rumors[3].state = MemberState::Failed;
  table.rumors[3].age = 60;
  table.rumors[4].state = MemberState::Left;
  table.rumors[4].age = 24 * 3600;
  bench.step(StreamAnswer{bench.calls[0].id, table});
  EXPECT_EQ(bench.told, std::vector<std::string>{"joined 1 5", "joined 2 5", "joined 3 5", "failed 4 5"});
  EXPECT(bench.state(3) == MemberState::Suspect);
  EXPECT_EQ(bench.now - bench.core.find(member(4))->changed, seconds(60));
  EXPECT_FALSE(bench.core.find(member(5)).has_value());
  table.rumors[1].state = MemberState::Failed;
  bench.step(StreamQuestion{StreamId(), table});
  EXPECT(bench.state(2) == MemberState::Suspect);  // not failed
  REQUIRE(bench.answer.has_value());
  StreamDecoder decoder(bench.core.seal(), Direction::Answer, StreamId());
  REQUIRE(decoder.feed(*bench.answer).value());
  EXPECT_EQ(decoder.take().rumors.size(), 5U);
}

TEST_CASE("while alone the seeds are tried again, and failed members are") {
  Bench bench;
  bench.step(Join{{address(1)}});
  bench.run(seconds(21));
  EXPECT(bench.calls.size() >= 4);
  Bench other;
  other.with_members(1);
  other.run(seconds(10));
  REQUIRE(other.state(1) == MemberState::Failed);
  other.forget();
  while (other.pings_to(1).empty()) other.run(milliseconds(10));
  EXPECT(other.pings_to(1)[0]->rumors[0].state == MemberState::Failed);
  other.calls.clear();
  other.acknowledge(address(1), *other.pings_to(1)[0]->ping);
  EXPECT_FALSE(other.calls.empty());  // an exchange
}

TEST_CASE("what is gone is forgotten in the end, and makes room in a full table") {
  CoreOptions options;
  options.members_max = 3;
  options.forget_after = minutes(10);
  Bench bench(options);
  bench.answer_all = true;
  for (std::uint8_t i = 1; i <= 4; ++i) bench.hear(i, {said(i, MemberState::Alive, 5)});
  EXPECT_FALSE(bench.core.find(member(4)).has_value());
  EXPECT_EQ(bench.core.counts().members_refused, 1U);
  bench.hear(1, {said(2, MemberState::Left, 5)});
  bench.hear(4, {said(4, MemberState::Alive, 5)});
  EXPECT(bench.core.find(member(4)).has_value());
  EXPECT_FALSE(bench.core.find(member(2)).has_value());
  bench.hear(1, {said(3, MemberState::Left, 5)});
  bench.run(minutes(11));
  EXPECT_FALSE(bench.core.find(member(3)).has_value());
  EXPECT_EQ(bench.told.back(), "forgotten 3 5");
}

TEST_CASE("a change of what a member says of itself is a new incarnation; saying the same again is none") {
  Bench bench;
  bench.step(SetAttributes{named(0)});
  EXPECT_EQ(bench.core.self().incarnation, Incarnation(100));
  bench.step(SetAttributes{named(0, "x")});
  EXPECT_EQ(bench.core.self().incarnation, Incarnation(101));
  EXPECT_EQ(bench.core.self().attributes, named(0, "x"));
}

TEST_CASE("what a suspicion overtook is made up for: the details of an incarnation come later") {
  Bench bench;
  bench.hear(2, {said(1, MemberState::Alive, 5)});
  bench.hear(2, {said(1, MemberState::Suspect, 6, 2)});
  Rumor late = said(1, MemberState::Alive, 6);
  late.attributes = encode(named(1, "late"));
  bench.hear(2, {late});
  EXPECT(bench.state(1) == MemberState::Suspect);
  EXPECT_EQ(bench.core.find(member(1))->attributes, named(1, "late"));
}

TEST_CASE("what does not open is counted and changes nothing; a new key opens at once") {
  Bench bench;
  Packet packet;
  packet.sender = id_bytes(member(1));
  packet.rumors = {said(1, MemberState::Alive, 5)};
  const Bytes sealed = test_seal(2)->seal_packet(encode(packet));
  bench.step(ReceivePacket{address(1), sealed});
  bench.step(ReceivePacket{address(1), "garbage"});
  bench.step(ReceivePacket{address(1), bench.core.seal()->seal_packet("garbage")});
  EXPECT_EQ(bench.core.counts().packets_refused, 3U);
  EXPECT_EQ(bench.core.counts().unknown_key, 1U);
  EXPECT(bench.core.members().empty());
  bench.step(ReplaceSeal{test_seal(2)});
  bench.step(ReceivePacket{address(1), sealed});
  EXPECT_EQ(bench.core.members().size(), 1U);
}

TEST_CASE("options that do not fit are named") {
  CoreOptions options;
  EXPECT(options.validate().ok());
  options.probe_timeout = seconds(1);
  EXPECT(options.validate().error().message.find("probe_timeout") != std::string::npos);
  options = {};
  options.leave_time = Duration(0);
  EXPECT(options.validate().error().message.find("leave_time") != std::string::npos);
}

}  // namespace
}  // namespace mesh::gossip
