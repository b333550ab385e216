// The pure pieces of gossip/: probe order, rumor queue, suspicion, keyring, health score.
#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "gossip/health_score.h"
#include "gossip/keyring.h"
#include "gossip/message.h"
#include "gossip/probe_order.h"
#include "gossip/rumor_queue.h"
#include "gossip/suspicion.h"
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

MonoTime at_ms(std::int64_t ms) { return MonoTime(milliseconds(ms)); }

TEST_CASE("in each round of probes every member comes once") {
  Rng rng(1);
  ProbeOrder order;
  for (std::uint8_t i = 0; i < 20; ++i) order.add(member(i), rng);
  std::vector<NodeId> first;
  for (int round = 0; round < 5; ++round) {
    std::set<NodeId> seen;
    std::vector<NodeId> this_round;
    for (int i = 0; i < 20; ++i) {
      this_round.push_back(*order.next(rng));
      seen.insert(this_round.back());
    }
    EXPECT_EQ(seen.size(), 20U);
    EXPECT(this_round != first);
    first = this_round;
  }
}

TEST_CASE("a member that joins in the middle of a round is probed in it, one that leaves is not, and no other twice") {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed);
    ProbeOrder order;
    for (std::uint8_t i = 0; i < 10; ++i) order.add(member(i), rng);
    std::multiset<NodeId> seen;
    for (int i = 0; i < 4; ++i) seen.insert(*order.next(rng));
    const NodeId gone = member(static_cast<std::uint8_t>(rng.below(10)));
    const bool was_probed = seen.contains(gone);
    order.remove(gone);
    order.add(member(50), rng);
    const std::size_t rest = 10 - 4 + 1 - (was_probed ? 0 : 1);
    for (std::size_t i = 0; i < rest; ++i) seen.insert(*order.next(rng));
    CAPTURE(seed);
    EXPECT_EQ(seen.size(), was_probed ? 11U : 10U);
    EXPECT_EQ(std::set<NodeId>(seen.begin(), seen.end()).size(), seen.size());
    EXPECT(seen.contains(member(50)));
  }
}

TEST_CASE("members drawn at random are different ones and never the excepted one") {
  Rng rng(3);
  ProbeOrder order;
  for (std::uint8_t i = 0; i < 6; ++i) order.add(member(i), rng);
  std::set<NodeId> ever;
  for (int i = 0; i < 200; ++i) {
    const auto drawn = order.draw(3, member(2), rng);
    EXPECT_EQ(std::set<NodeId>(drawn.begin(), drawn.end()).size(), 3U);
    EXPECT(std::find(drawn.begin(), drawn.end(), member(2)) == drawn.end());
    ever.insert(drawn.begin(), drawn.end());
  }
  EXPECT_EQ(ever.size(), 5U);
  EXPECT_EQ(order.draw(9, member(2), rng).size(), 5U);
  EXPECT(ProbeOrder().draw(3, member(1), rng).empty());
}

// What a packet holds, as the names of the rumors in it.
std::vector<std::string> taken(RumorQueue& queue, std::size_t bytes_max, std::uint32_t sends_max) {
  Bytes packet = encode([] {
    Packet out;
    out.sender = id_bytes(member(1));
    return out;
  }());
  queue.fill(packet, packet.size() + bytes_max, sends_max);
  std::vector<std::string> out;
  const Packet decoded = decode<Packet>(packet).value();
  for (const Rumor& rumor : decoded.rumors) out.push_back(rumor.accuser);
  return out;
}

Bytes rumor_named(const std::string& name) {
  Rumor out;
  out.accuser = name;
  return encode(out);
}

TEST_CASE("what was sent least goes first, of those the newest, each a bounded number of times") {
  RumorQueue queue(100);
  queue.put({member(1), {}}, rumor_named("a"));
  queue.put({member(2), {}}, rumor_named("b"));
  const std::size_t one = rumor_cost(rumor_named("a").size());
  CHECK(one == 5, "the size of a rumor in this test is {}", one);
  EXPECT_EQ(taken(queue, one, 2), std::vector<std::string>{"b"});
  EXPECT_EQ(taken(queue, one, 2), std::vector<std::string>{"a"});
  queue.put({member(3), {}}, rumor_named("c"));
  EXPECT_EQ(taken(queue, 2 * one, 2), std::vector<std::string>{"c", "b"});
  EXPECT_EQ(taken(queue, 9 * one, 2), std::vector<std::string>{"c", "a"});
  EXPECT(queue.empty());
}

TEST_CASE("a newer statement takes the place of the older one, and what it supersedes goes") {
  RumorQueue queue(100);
  queue.put({member(1), member(7)}, rumor_named("a"));
  queue.put({member(1), member(8)}, rumor_named("b"));
  queue.put({member(1), member(7)}, rumor_named("c"));
  queue.put({member(2), {}}, rumor_named("d"));
  EXPECT_EQ(queue.size(), 3U);
  EXPECT(queue.holds(member(1)));
  queue.supersede(member(1));
  EXPECT_FALSE(queue.holds(member(1)));
  EXPECT_EQ(taken(queue, 1000, 1), std::vector<std::string>{"d"});
}

TEST_CASE("a full queue drops what was sent most") {
  RumorQueue queue(2);
  queue.put({member(1), {}}, rumor_named("a"));
  (void)taken(queue, 1000, 9);
  queue.put({member(2), {}}, rumor_named("b"));
  queue.put({member(3), {}}, rumor_named("c"));
  EXPECT_EQ(taken(queue, 1000, 9), std::vector<std::string>{"c", "b"});
}

TEST_CASE("a rumor that does not fit lets a smaller one pass") {
  RumorQueue queue(10);
  queue.put({member(1), {}}, rumor_named("s"));
  queue.put({member(2), {}}, rumor_named(std::string(200, 'x')));
  EXPECT_EQ(taken(queue, 100, 9), std::vector<std::string>{"s"});
}

TEST_CASE("the time of a suspicion falls with the confirmations, most with the first") {
  const SuspicionTimes times{.min = seconds(1), .max = seconds(6), .confirmations = 2};
  EXPECT_EQ(to_millis(suspicion_time(times, 0)), 6000);
  EXPECT_EQ(to_millis(suspicion_time(times, 1)), 2846);
  EXPECT_EQ(to_millis(suspicion_time(times, 2)), 1000);
  EXPECT_EQ(to_millis(suspicion_time(times, 9)), 1000);
  EXPECT_EQ(to_millis(suspicion_time({.min = seconds(1), .max = seconds(6), .confirmations = 0}, 0)), 1000);
}

TEST_CASE("a suspicion counts each accuser once, and waits longer for those with no probe of their own") {
  const SuspicionTimes times{.min = seconds(1), .max = seconds(6), .confirmations = 2};
  Suspicion suspicion({Incarnation(3), member(1), at_ms(10'000), milliseconds(300)}, times);
  EXPECT_EQ(suspicion.deadline(), at_ms(10'000 + 9'000 + 300));
  EXPECT_FALSE(suspicion.confirm(member(1)));
  EXPECT(suspicion.confirm(member(2)));
  EXPECT_FALSE(suspicion.confirm(member(2)));
  EXPECT(suspicion.confirm(member(3)));
  EXPECT_FALSE(suspicion.confirm(member(4)));
  EXPECT_EQ(suspicion.deadline(), at_ms(10'000 + 1'500 + 300));
  EXPECT_FALSE(suspicion.verified(milliseconds(400)));
  suspicion.probe_failed(at_ms(9'600));
  EXPECT_EQ(suspicion.deadline(), at_ms(11'000));
  EXPECT_FALSE(suspicion.verified(milliseconds(400)));  // too long ago
  suspicion.probe_failed(at_ms(10'600));
  EXPECT(suspicion.verified(milliseconds(400)));
}

TEST_CASE("an answer of the suspect begins the suspicion anew, and a lag of ours moves it") {
  const SuspicionTimes times{.min = seconds(1), .max = seconds(6), .confirmations = 2};
  Suspicion suspicion({Incarnation(3), member(1), at_ms(0), Duration(0)}, times);
  suspicion.confirm(member(2));
  suspicion.confirm(member(3));
  suspicion.probe_failed(at_ms(500));
  suspicion.answered(at_ms(800));
  EXPECT_FALSE(suspicion.verified(milliseconds(400)));
  EXPECT_EQ(suspicion.deadline(), at_ms(800 + 9'000));
  suspicion.postpone(seconds(5));
  EXPECT_EQ(suspicion.deadline(), at_ms(5'800 + 9'000));
}

TEST_CASE("a refused connection ends a suspicion early, but only on top of a failed probe") {
  const SuspicionTimes times{.min = seconds(1), .max = seconds(6), .confirmations = 2};
  Suspicion suspicion({Incarnation(3), member(1), at_ms(0), Duration(0)}, times);
  suspicion.refused(at_ms(500));
  EXPECT_EQ(suspicion.deadline(), at_ms(9'000));
  suspicion.probe_failed(at_ms(-200));
  EXPECT_EQ(suspicion.deadline(), at_ms(500));
  EXPECT(suspicion.verified(milliseconds(400)));
}

TEST_CASE("the health score stays in its bounds and stretches times") {
  HealthScore score(7);
  score.better();
  EXPECT_EQ(score.value(), 0U);
  score.worse(3);
  EXPECT_EQ(to_millis(score.stretched(milliseconds(500))), 2000);
  score.worse(4'000'000'000U);
  score.worse(4'000'000'000U);
  EXPECT_EQ(score.value(), 7U);
  score.better();
  EXPECT_EQ(score.value(), 6U);
}

TEST_CASE("keys are rotated: install, use, remove") {
  const auto key = std::make_shared<sim::SimSealer>(1);
  Keyring keys;
  EXPECT(keys.empty());
  EXPECT_EQ(keys.use(KeyId(1)).error().code, Code::NotFound);
  EXPECT(keys.install(KeyId(1), key).ok());
  EXPECT_EQ(keys.primary(), KeyId(1));
  EXPECT(keys.install(KeyId(2), key).ok());
  EXPECT(keys.install(KeyId(2), key).ok());
  EXPECT_EQ(keys.primary(), KeyId(1));
  EXPECT_EQ(keys.remove(KeyId(1)).error().code, Code::Precondition);
  EXPECT(keys.use(KeyId(2)).ok());
  EXPECT(keys.remove(KeyId(1)).ok());
  EXPECT_EQ(keys.remove(KeyId(1)).error().code, Code::NotFound);
  EXPECT_EQ(keys.ids(), std::vector<KeyId>{KeyId(2)});
  for (std::uint32_t id = 3; id < 10; ++id) EXPECT(keys.install(KeyId(id), key).ok());
  EXPECT_EQ(keys.install(KeyId(99), key).error().code, Code::Overloaded);
}

}  // namespace
}  // namespace mesh::gossip
