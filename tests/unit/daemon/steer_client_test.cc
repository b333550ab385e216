// The client against the real service, whose backend may use sk_lookup only and is given a folder that is on no bpf file
// system: so nothing reaches the kernel. What does reach it is tested in tests/e2e/steer_test.py.
#include "daemon/steer_client.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "base/file.h"
#include "base/thread.h"
#include "daemon/steer/service.h"
#include "net/sockets.h"
#include "tests/unit/net/net_fixture.h"

namespace mesh::daemon {
namespace {

struct Helper {
  Helper(const std::string& folder, const std::string& socket)
      : backend({.bpf_folder = folder, .choice = steer::Choice::SkLookup}), stop(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    auto opened = steer::Service::open({.socket_path = socket, .user = geteuid(), .listening = {}}, backend);
    REQUIRE(opened.ok());
    service = std::move(*opened);
    thread.emplace("steer", [this] { ended = service->serve(stop.get()).ok(); });
  }
  ~Helper() {
    const std::uint64_t one = 1;
    EXPECT_EQ(::write(stop.get(), &one, sizeof one), ssize_t{sizeof one});
    thread->join();
    EXPECT(ended);
  }

  steer::Backend backend;
  UniqueFd stop;
  std::unique_ptr<steer::Service> service;
  std::optional<Thread> thread;
  bool ended = false;
};

struct Fixture {
  Fixture() {
    REQUIRE(folder.ok());
    auto made = net::bind_socket(*net::Address::parse("127.0.0.1:0"), {});
    REQUIRE(made.ok());
    listener = std::move(*made);
    REQUIRE_EQ(::listen(listener.get(), 8), 0);
    client.emplace(loop, SteerClient::Options{.socket_path = socket(), .on_change = [this](const SteerState& state) { states.push_back(state); }});
  }
  [[nodiscard]] std::string socket() const { return folder->file("steer.sock"); }
  [[nodiscard]] std::string pins() const { return folder->file("bpf/meshd"); }

  net::Loop loop{"test"};
  Result<TempDir> folder = TempDir::make();
  UniqueFd listener;
  std::vector<SteerState> states;
  std::optional<SteerClient> client;
};

}  // namespace

TEST_CASE("without a helper the client says so once and goes on trying; then it hands over to each new helper") {
  Fixture f;
  f.client->hand_over({.listeners = {f.listener.get()}});
  REQUIRE(net::wait_for(f.loop, [&] { return f.client->state().link == SteerState::Link::NoHelper; }));
  EXPECT_NE(f.states.back().failure.find("is not running"), std::string::npos);
  for (const std::size_t states : {2u, 4u}) {
    std::optional<Helper> helper(std::in_place, f.pins(), f.socket());
    REQUIRE(net::wait_for(f.loop, [&] { return f.client->state().link == SteerState::Link::Answered; }));
    EXPECT_EQ(f.client->state().answer.fault, steer::Fault::NoBpffs);
    EXPECT_NE(decide_steering(f.client->state()).hint.find("mount -t bpf"), std::string::npos);
    EXPECT_EQ(f.states.size(), states);
    helper.reset();
    REQUIRE(net::wait_for(f.loop, [&] { return f.client->state().link == SteerState::Link::NoHelper; }));
  }
}

TEST_CASE("a descriptor that is no listener is refused by the helper, which says why") {
  Fixture f;
  const Helper helper(f.pins(), f.socket());
  auto bound = net::bind_socket(*net::Address::parse("127.0.0.1:0"), {});
  REQUIRE(bound.ok());
  f.client->hand_over({.listeners = {bound->get()}});
  REQUIRE(net::wait_for(f.loop, [&] { return f.client->state().link == SteerState::Link::Answered; }));
  EXPECT_EQ(f.client->state().answer.fault, steer::Fault::BadSocket);
  EXPECT_EQ(f.client->state().answer.message, "listener 0 does not listen");
}

TEST_CASE("a second helper on the same socket is refused") {
  Fixture f;
  const Helper helper(f.pins(), f.socket());
  steer::Backend backend({.bpf_folder = f.pins(), .choice = steer::Choice::SkLookup});
  const auto second = steer::Service::open({.socket_path = f.socket(), .listening = {}}, backend);
  REQUIRE_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::Conflict);
}

}  // namespace mesh::daemon
