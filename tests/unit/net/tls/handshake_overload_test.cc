// Two hosts that shake hands under overload, in virtual time: schedules, threads, costs and delays, no TLS. Held to: as
// many handshakes succeed as the threads can do, whatever comes on top, and what fails has cost next to nothing.
#include <algorithm>
#include <functional>
#include <queue>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "net/tls/handshake_schedule.h"
#include "tests/test.h"

namespace mesh::net {

namespace {

using Schedule = HandshakeSchedule;
using Id = Schedule::Id;

struct Costs {
  Duration client[3] = {microseconds(100), milliseconds(8), microseconds(100)};
  Duration server[2] = {milliseconds(2), milliseconds(6)};
  Duration delay = milliseconds(5);  // one way
};

class TwoHosts {
 public:
  explicit TwoHosts(const Costs& costs) : costs_(costs) {}

  void arrive(MonoTime when) {
    after(when, [this] { begin(); });
  }
  void run() {
    while (!events_.empty()) {
      const Event event = events_.top();
      events_.pop();
      now_ = event.when;
      event.what();
    }
  }

  std::size_t succeeded = 0;
  std::size_t failed = 0;
  Duration wasted{};  // time of threads for what failed
  MonoTime last_success{};
  std::size_t steps_ready_max = 0;  // that waited for a thread, of either host

 private:
  struct Host {
    Schedule schedule{HandshakeScheduleOptions{}};
    std::size_t threads_free = 2;
    MonoTime wake_at = kNever;
    std::unordered_map<Id, std::size_t> handshakes{};
  };
  struct Handshake {
    Id client = 0;
    Id server = 0;
    std::size_t client_steps = 0;
    std::size_t server_steps = 0;
    bool server_idle = true;  // no step of it is wanted there, so a client that gives up is noticed
    bool over = false;
    Duration spent{};
  };
  struct Event {
    MonoTime when;
    std::uint64_t number;
    std::function<void()> what;
    bool operator<(const Event& other) const { return std::tie(other.when, other.number) < std::tie(when, number); }
  };

  void after(MonoTime when, std::function<void()> what) { events_.push({when, ++events_total_, std::move(what)}); }
  void delayed(std::function<void()> what) { after(now_ + costs_.delay, std::move(what)); }

  void begin() {
    const std::size_t at = all_.size();
    all_.emplace_back();
    all_[at].client = enter(client_, at, HandshakeSide::Client, seconds(6));
    after(now_ + seconds(6), [this, at] {
      client_.schedule.expire(all_[at].client);
      fail(at);
    });
    work(client_);
  }

  Id enter(Host& host, std::size_t at, HandshakeSide side, Duration time) {
    const auto entered = host.schedule.enter({.side = side, .deadline = now_ + time}, now_);
    host.handshakes[entered.id] = at;
    if (entered.refused) fail(host.handshakes.at(*entered.refused));
    return entered.id;
  }

  // A client that has given up closes; a server that waits for its turn or for the client notices.
  void fail(std::size_t at) {
    Handshake& one = all_[at];
    if (one.over) return;
    one.over = true;
    ++failed;
    wasted += one.spent;
    client_.schedule.leave(one.client);
    delayed([this, at] {
      if (all_[at].server_idle) server_.schedule.leave(all_[at].server);
    });
  }

  void work(Host& host) {
    while (host.threads_free != 0) {
      const Schedule::Pick pick = host.schedule.pick(now_);
      for (const Id id : pick.gone) fail(host.handshakes.at(id));
      if (pick.run) {
        --host.threads_free;
        step(host, *pick.run);
        continue;
      }
      if (pick.gone.empty()) return wake(host, pick.again);
    }
  }

  void wake(Host& host, MonoTime when) {
    if (when >= host.wake_at) return;
    host.wake_at = when;
    after(when, [this, &host] {
      host.wake_at = kNever;
      work(host);
    });
  }

  void step(Host& host, Id id) {
    const std::size_t at = host.handshakes.at(id);
    Handshake& one = all_[at];
    const bool client = &host == &client_;
    const Duration cost = client ? costs_.client[one.client_steps] : costs_.server[one.server_steps];
    one.server_idle = client && one.server_idle;
    one.spent += cost;
    if (one.over) wasted += cost;
    after(now_ + cost, [this, &host, id, at, cost, client] {
      ++host.threads_free;
      Handshake& stepped = all_[at];
      const std::size_t steps = client ? ++stepped.client_steps : ++stepped.server_steps;
      const bool last = steps == (client ? std::size(costs_.client) : std::size(costs_.server));
      host.schedule.ran(id, last ? Schedule::Step::Done : Schedule::Step::NeedsBytes, cost, now_);
      if (!client) stepped.server_idle = true;
      if (client && last) succeed(at);
      else delayed([this, at, client] { arrived(at, client); });
      work(host);
    });
  }

  void succeed(std::size_t at) {
    if (all_[at].over) return;
    all_[at].over = true;
    ++succeeded;
    last_success = now_;
  }

  // Bytes of the other side.
  void arrived(std::size_t at, bool from_client) {
    Handshake& one = all_[at];
    Host& host = from_client ? server_ : client_;
    if (!from_client) {
      client_.schedule.ready(one.client);
    } else if (one.server_steps == 0) {
      if (one.over) return;  // the client has closed
      one.server = enter(server_, at, HandshakeSide::Server, seconds(7));
    } else {
      one.server_idle = false;
      server_.schedule.ready(one.server);
    }
    steps_ready_max = std::max(steps_ready_max, host.schedule.steps_ready());
    work(host);
  }

  Costs costs_;
  Host client_, server_;
  std::vector<Handshake> all_;
  std::priority_queue<Event> events_;
  std::uint64_t events_total_ = 0;
  MonoTime now_{};
};

// Handshakes a second that the slower host can do.
double capacity(const Costs& costs) {
  Duration client{}, server{};
  for (const Duration cost : costs.client) client += cost;
  for (const Duration cost : costs.server) server += cost;
  return 2e9 / static_cast<double>(std::max(client, server).count());
}

struct Expected {
  double goodput = 0.95;  // of the capacity, or of what comes if that is less
  std::size_t steps_ready_max = 96;
};

// Arrivals at `times` the capacity for 20 s.
void overload(const Costs& costs, double times, const Expected& expected = {}) {
  TwoHosts hosts(costs);
  const auto count = static_cast<std::size_t>(20 * times * capacity(costs));
  for (std::size_t n = 0; n < count; ++n) hosts.arrive(MonoTime(seconds(20) * static_cast<std::int64_t>(n) / static_cast<std::int64_t>(count)));
  hosts.run();
  INFO(times, " x: ", hosts.succeeded, " succeeded, ", hosts.failed, " failed, ", hosts.steps_ready_max, " steps waited, wasted ms: ", to_millis(hosts.wasted));
  EXPECT_EQ(hosts.succeeded + hosts.failed, count);
  EXPECT_GE(static_cast<double>(hosts.succeeded), 20 * expected.goodput * std::min(times, 1.0) * capacity(costs));
  // Of begun ones, each has to wait for no more than these.
  EXPECT_LE(hosts.steps_ready_max, expected.steps_ready_max);
  EXPECT_LE(hosts.wasted, milliseconds(2 * 20'000 * 3 / 100));  // of what two threads have
}

}  // namespace

TEST_CASE("goodput stays at the capacity under overload, whichever side is the slower one") {
  for (const double times : {0.9, 1.0, 2.0, 5.0, 10.0}) {
    overload({}, times);
    Costs slow_client;
    slow_client.client[1] = milliseconds(24);
    overload(slow_client, times);
    Costs slow_server;
    slow_server.server[0] = milliseconds(6);
    slow_server.server[1] = milliseconds(18);
    overload(slow_server, times);
  }
}

// More has to be under way there, and comes back in bunches.
TEST_CASE("goodput stays near the capacity over long distances") {
  Costs far;
  far.delay = milliseconds(150);
  for (const double times : {1.0, 2.0, 5.0}) overload(far, times, {.goodput = 0.85, .steps_ready_max = 300});
}

TEST_CASE("of connections that start in one moment those succeed that the time suffices for, the others cost nothing") {
  for (const std::size_t count : {10u, 100u, 300u, 1'000u, 2'000u}) {
    const Costs costs;
    TwoHosts hosts(costs);
    for (std::size_t n = 0; n < count; ++n) hosts.arrive(MonoTime{});
    hosts.run();
    INFO(count, ": ", hosts.succeeded, " succeeded, ", hosts.failed, " failed, ", hosts.steps_ready_max, " steps waited, wasted ms: ", to_millis(hosts.wasted));
    const double can = std::min(static_cast<double>(count), 0.85 * 6 * capacity(costs));
    EXPECT_GE(static_cast<double>(hosts.succeeded), std::min(can, 1'024.0));
    EXPECT_LE(hosts.last_success, MonoTime(seconds(6)));
    EXPECT_LE(hosts.wasted, milliseconds(360));
  }
}

}  // namespace mesh::net
