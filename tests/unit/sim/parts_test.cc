#include <string>
#include <vector>

#include "tests/sim/event_queue.h"
#include "tests/sim/host_clock.h"
#include "tests/sim/kv.h"
#include "tests/sim/network.h"
#include "tests/sim/process.h"
#include "tests/sim/profile.h"
#include "tests/sim/sim_tables.h"
#include "tests/test.h"

namespace mesh::sim {
namespace {

MonoTime at_ms(std::int64_t ms) { return MonoTime(milliseconds(ms)); }

TEST_CASE("actions run in the order of their times, and of their adding at one time") {
  EventQueue queue;
  std::string order;
  queue.at(at_ms(20), [&] { order += 'c'; });
  queue.at(at_ms(10), [&] {
    order += 'a';
    queue.after(Duration(0), [&] { order += 'b'; });
  });
  queue.at(at_ms(20), [&] { order += 'd'; });
  queue.at(at_ms(31), [&] { order += 'x'; });
  queue.run_until(at_ms(30));
  EXPECT_EQ(order, "abcd");
  EXPECT(queue.now() == at_ms(30));
}

TEST_CASE("a drifting clock tells when it will show a time, to the first nanosecond") {
  for (const std::int64_t drift : {-400'000, -1'999, -1, 0, 1, 1'999, 400'000}) {
    HostClock clock(at_ms(5), at_ms(7'000), drift);
    for (const std::int64_t wait : {1, 999, 1'000'001, 123'456'789}) {
      const MonoTime shown = clock.shows_at(at_ms(50)) + Duration(wait);
      const MonoTime when = clock.when_shows(shown, at_ms(50));
      CAPTURE(drift);
      EXPECT(clock.shows_at(when) >= shown);
      EXPECT(clock.shows_at(when - Duration(1)) < shown);
    }
  }
  EXPECT(HostClock().when_shows(kNever, at_ms(1)) == kNever);
}

TEST_CASE("a clock keeps what it shows when its rate changes, and jumps forward only") {
  HostClock clock(at_ms(0), at_ms(100), 1'000);
  const MonoTime shown = clock.shows_at(at_ms(1'000));
  clock.drift(at_ms(1'000), -1'000);
  EXPECT(clock.shows_at(at_ms(1'000)) == shown);
  clock.jump(at_ms(1'000), milliseconds(5));
  EXPECT(clock.shows_at(at_ms(1'000)) == shown + milliseconds(5));
}

struct NetworkFixture {
  EventQueue queue;
  std::vector<std::string> arrived;
  NetworkProfile profile;
  Network network(std::uint64_t seed) {
    return Network(queue, Rng(seed), profile, 3,
                   [this](HostId, HostId, Bytes message) { arrived.push_back(std::move(message)); });
  }
};

TEST_CASE("a sound network delivers every message once") {
  NetworkFixture f;
  f.profile = calm_network();
  Network network = f.network(1);
  for (int i = 0; i < 100; ++i) network.send(0, 1, std::to_string(i));
  f.queue.run_until(at_ms(1'000));
  EXPECT_EQ(f.arrived.size(), 100u);
}

TEST_CASE("a bad network loses, doubles and reorders") {
  NetworkFixture f;
  f.profile = {.loss_ppm = 200'000, .double_ppm = 200'000, .delay_mean = milliseconds(10)};
  Network network = f.network(1);
  for (int i = 0; i < 1'000; ++i) network.send(0, 1, std::to_string(1'000 + i));
  f.queue.run_until(at_ms(1'000));
  EXPECT_GT(network.lost_total(), 100u);
  EXPECT_GT(f.arrived.size() + network.lost_total(), 1'050u);
  EXPECT_FALSE(std::is_sorted(f.arrived.begin(), f.arrived.end()));
}

TEST_CASE("a cut link swallows one direction only, and what is on its way") {
  NetworkFixture f;
  f.profile.delay_min = milliseconds(5);
  Network network = f.network(1);
  network.send(0, 1, "on its way");
  network.cut(0, 1);
  network.send(0, 1, "cut");
  network.send(1, 0, "back");
  f.queue.run_until(at_ms(10));
  network.mend_all();
  network.send(0, 1, "mended");
  f.queue.run_until(at_ms(20));
  EXPECT(f.arrived == std::vector<std::string>{"back", "mended"});
}

TEST_CASE("a clogged link lets go of its messages when the clog ends") {
  NetworkFixture f;
  f.profile = {.clog_ppm = 1'000'000, .clog_max = milliseconds(50)};
  Network network = f.network(3);
  for (int i = 0; i < 20; ++i) network.send(0, 1, "m");
  f.queue.run_until(at_ms(0));
  EXPECT_LT(f.arrived.size(), 20u);
  f.queue.run_until(at_ms(60));
  EXPECT_EQ(f.arrived.size(), 20u);
}

TEST_CASE("what was scheduled before a crash never happens") {
  EventQueue queue;
  Process process(queue, HostClock());
  int happened = 0;
  process.start();
  process.after(milliseconds(5), [&] { ++happened; });
  process.crash();
  process.start();
  process.after(milliseconds(5), [&] { happened += 10; });
  queue.run_until(at_ms(10));
  EXPECT_EQ(happened, 10);
}

TEST_CASE("what falls due in a pause happens when it ends, in order") {
  EventQueue queue;
  Process process(queue, HostClock());
  std::string order;
  process.start();
  process.after(milliseconds(5), [&] { order += 'a'; });
  process.pause(milliseconds(20));
  queue.run_until(at_ms(10));
  process.now_or_when_resumed([&] { order += 'b'; });
  EXPECT_EQ(order, "");
  queue.run_until(at_ms(20));
  EXPECT_EQ(order, "ab");
}

TEST_CASE("a pause prolonged from within holds the rest back") {
  EventQueue queue;
  Process process(queue, HostClock());
  std::string order;
  process.start();
  process.pause(milliseconds(5));
  process.now_or_when_resumed([&] {
    order += 'a';
    process.pause(milliseconds(10));
  });
  process.now_or_when_resumed([&] { order += 'b'; });
  queue.run_until(at_ms(6));
  EXPECT_EQ(order, "a");
  process.end_pause();
  EXPECT_EQ(order, "ab");
}

raft::ApplyResult apply(KvMachine& machine, const KvCommand& command) {
  return machine.apply(raft::Index(1), encode(command));
}

TEST_CASE("a repeated request gives its first result and changes nothing") {
  KvMachine machine;
  const KvCommand first{.kind = OpKind::Cas, .client = 7, .number = 1, .key = 2, .expected = kAbsent, .value = 5};
  EXPECT(decode_kv_result(apply(machine, first).result)->swapped);
  apply(machine, {.client = 8, .number = 1, .key = 2, .value = 6});
  const raft::ApplyResult again = apply(machine, first);
  EXPECT(decode_kv_result(again.result)->swapped);
  EXPECT(again.rows.empty());
  EXPECT_EQ(machine.read(2), 6u);
  apply(machine, {.client = 7, .number = 2, .key = 2, .value = 9});
  EXPECT_FALSE(decode_kv_result(apply(machine, first).result)->known);
}

TEST_CASE("bytes that are no command, row or reply are refused") {
  EXPECT_FALSE(decode_kv_command("").ok());
  EXPECT_FALSE(decode_kv_command(encode(KvCommand{.filler = 3}) + "x").ok());
  EXPECT_FALSE(decode_kv_command(encode(KvCommand{.kind = OpKind::Read})).ok());
  EXPECT_FALSE(decode_kv_result("").ok());
  EXPECT_FALSE(decode_client_reply("short").ok());
  EXPECT_FALSE(decode_client_request("").ok());
  EXPECT_FALSE(decode_rows(encode_rows({{1, "key", "value"}}).substr(1)).ok());
  KvMachine machine;
  EXPECT_FALSE(machine.load({9, "k", "v"}).ok());
}

struct TablesFixture {
  TablePlatter platter{Rng(1)};
  void write(std::uint64_t applied, std::optional<Bytes> value) {
    SimTables tables(platter);
    const Status written = tables.write({raft::Index(applied), {{1, "key", std::move(value)}}});
    REQUIRE(written.ok());
  }
  std::string shown() {
    std::string out;
    SimTables tables(platter);
    const Status walked = tables.for_each(1, [&out](ByteView, ByteView value) {
      out += value;
      return Status();
    });
    REQUIRE(walked.ok());
    return out;
  }
};

TEST_CASE("tables keep what was flushed and lose whole batches of the rest when the power goes") {
  bool lost = false;
  bool kept = false;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    TablesFixture f;
    f.platter = TablePlatter(Rng(seed));
    f.write(1, "flushed");
    EXPECT(*SimTables(f.platter).flush() == raft::Index(1));
    f.write(2, "later");
    EXPECT_EQ(f.shown(), "later");
    f.platter.crash(true);
    const bool later = SimTables(f.platter).open()->applied == raft::Index(2);
    EXPECT_EQ(f.shown(), later ? "later" : "flushed");
    (later ? kept : lost) = true;
  }
  EXPECT(lost);
  EXPECT(kept);
}

TEST_CASE("a process that dies alone loses no table batch") {
  TablesFixture f;
  f.write(1, "a");
  f.write(2, std::nullopt);
  f.platter.crash(false);
  EXPECT(SimTables(f.platter).open()->applied == raft::Index(2));
  EXPECT_EQ(f.shown(), "");
}

TEST_CASE("a table snapshot is not moved by later writes, and a replacement is whole or nothing") {
  TablesFixture f;
  f.write(1, "old");
  SimTables tables(f.platter);
  const auto snapshot = std::move(tables.snapshot()).value();
  f.write(2, "new");
  EXPECT(*tables.flush() == raft::Index(2));
  const auto rows = std::move(snapshot->next(ByteCount(1'000))).value();
  REQUIRE_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].value, "old");
  EXPECT(*decode_rows(encode_rows(rows)) == rows);
  EXPECT(snapshot->next(ByteCount(1'000))->empty());

  auto replacement = std::move(tables.replace()).value();
  EXPECT(replacement->add({{1, "other", "row"}}).ok());
  EXPECT_EQ(f.shown(), "new");
  EXPECT(replacement->commit({{raft::Index(9), raft::Term(2)}, {}, {}}).ok());
  f.platter.crash(true);
  EXPECT_EQ(f.shown(), "row");
  EXPECT(tables.open()->snapshot->position.index == raft::Index(9));
}

}  // namespace
}  // namespace mesh::sim
