// Drivers on real sockets of 127.0.0.x, one loop.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/rng.h"
#include "gossip/driver.h"
#include "gossip/driver_key.h"
#include "net/connect_error.h"
#include "net/loop.h"
#include "tests/test.h"

namespace mesh::gossip {
namespace {

constexpr Duration kLongEnough = seconds(30);

class Host final : public DriverObserver {
 public:
  Host(net::Loop& loop, int number, const Bytes& key, std::uint8_t cluster = 1) {
    DriverOptions options;
    Rng rng(static_cast<std::uint64_t>(number));
    options.id = NodeId::make(rng);
    options.attributes.name = "host-" + std::to_string(number);
    Uuid::Raw raw{};
    raw[0] = cluster;
    options.cluster = Uuid(raw);
    options.datacenter = "dc1";
    options.keys = {key};
    options.bind = *net::Address::parse("127.0.0." + std::to_string(number) + ":0");
    auto started = Driver::start(loop, std::move(options), metrics, *this);
    REQUIRE(started.ok());
    driver = std::move(*started);
  }
  void on_member(const MemberEvent& event) override {
    told.push_back(std::string(event_name(event.kind)) + " " + event.member.attributes.name);
  }
  void on_left() override { left = true; }
  [[nodiscard]] bool was_told(const std::string& what) const { return std::find(told.begin(), told.end(), what) != told.end(); }

  MetricRegistry metrics;
  std::vector<std::string> told;
  bool left = false;
  std::unique_ptr<Driver> driver;
};

TEST_CASE("three members find each other; one that dies fails, one that leaves has left") {
  net::Loop loop("test");
  const Bytes key(16, 'k');
  Host one(loop, 11, key);
  Host two(loop, 12, key);
  Host three(loop, 13, key);
  two.driver->join({one.driver->local()});
  three.driver->join({one.driver->local()});
  REQUIRE(loop.run_until([&] {
    return one.was_told("joined host-12") && one.was_told("joined host-13") && two.was_told("joined host-13") &&
           three.was_told("joined host-12");
  }, kLongEnough));
  EXPECT_EQ(one.driver->members().size(), 2U);
  EXPECT_EQ(from_peer(one.driver->find(three.driver->self().id)->address), three.driver->local());
  EXPECT(one.driver->counts().packets_refused == 0);

  three.driver.reset();
  REQUIRE(loop.run_until([&] { return one.was_told("failed host-13") && two.was_told("failed host-13"); }, kLongEnough));
  EXPECT_FALSE(one.was_told("failed host-12"));

  two.driver->leave();
  REQUIRE(loop.run_until([&] { return two.left && one.was_told("left host-12"); }, kLongEnough));
  EXPECT_FALSE(one.was_told("failed host-12"));
  EXPECT(one.metrics.prometheus_text().find("meshd_gossip_members 0") != std::string::npos);
}

TEST_CASE("a reported death whose port refuses is known soon after") {
  net::Loop loop("test");
  const Bytes key(32, 'k');
  Host one(loop, 11, key);
  Host two(loop, 12, key);
  two.driver->join({one.driver->local()});
  REQUIRE(loop.run_until([&] { return one.was_told("joined host-12") && two.was_told("joined host-11"); }, kLongEnough));
  const NodeId id = two.driver->self().id;
  two.driver.reset();
  one.driver->suspect_now(id);
  REQUIRE(loop.run_until([&] { return one.was_told("failed host-12"); }, kLongEnough));
}

TEST_CASE("another cluster with the same key, and the same cluster with another key, stay apart") {
  net::Loop loop("test");
  Host one(loop, 11, Bytes(16, 'k'));
  Host foreign(loop, 12, Bytes(16, 'k'), 2);
  Host keyless(loop, 13, Bytes(16, 'x'));
  foreign.driver->join({one.driver->local()});
  keyless.driver->join({one.driver->local()});
  REQUIRE(loop.run_until([&] {
    return foreign.driver->counts().exchanges_failed > 0 && keyless.driver->counts().exchanges_failed > 0;
  }, kLongEnough));
  EXPECT(one.driver->members().empty());
  EXPECT(foreign.driver->members().empty());
}

TEST_CASE("a key is rotated while members talk") {
  net::Loop loop("test");
  const Bytes old_key(16, 'o');
  const Bytes new_key(16, 'n');
  Host one(loop, 11, old_key);
  Host two(loop, 12, old_key);
  two.driver->join({one.driver->local()});
  for (Host* host : {&one, &two}) REQUIRE(host->driver->install_key(new_key).ok());
  for (Host* host : {&one, &two}) REQUIRE(host->driver->use_key(key_id(new_key)).ok());
  for (Host* host : {&one, &two}) REQUIRE(host->driver->remove_key(key_id(old_key)).ok());
  EXPECT_EQ(one.driver->install_key("short").error().code, Code::Invalid);
  Attributes changed = one.driver->self().attributes;
  changed.tags["color"] = "blue";
  REQUIRE(one.driver->set_attributes(changed).ok());
  changed.tags["color"] = std::string(600, 'x');
  EXPECT_EQ(one.driver->set_attributes(changed).error().code, Code::Invalid);
  REQUIRE(loop.run_until([&] {
    const auto held = two.driver->find(one.driver->self().id);
    return held && held->attributes.tags.count("color") == 1;
  }, kLongEnough));
}

}  // namespace
}  // namespace mesh::gossip
