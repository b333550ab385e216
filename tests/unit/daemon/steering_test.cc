#include "daemon/steering.h"

#include "tests/test.h"

namespace mesh::daemon {
namespace {

using Link = SteerState::Link;

SteerState answered(steer::Mode mode, steer::Fault fault, std::string message, std::string hint) {
  SteerState state{.link = Link::Answered, .socket_path = "/run/meshd/steer.sock"};
  state.answer.mode = mode;
  state.answer.fault = fault;
  state.answer.message = std::move(message);
  state.answer.hint = std::move(hint);
  return state;
}

}  // namespace

TEST_CASE("each state of the helper gives one mode, a reason and what to try") {
  const Steering best = decide_steering(answered(steer::Mode::SkLookup, steer::Fault::None, "", ""));
  EXPECT_EQ(best.mode, SteeringMode::SkLookup);
  EXPECT_EQ(best.reason, "mesh addresses are steered by sk_lookup");
  EXPECT(best.hint.empty());

  const Steering second =
      decide_steering(answered(steer::Mode::Nftables, steer::Fault::KernelTooOld, "kernel 5.4 has no sk_lookup programs", "newer"));
  EXPECT_EQ(second.mode, SteeringMode::Nftables);
  EXPECT_NE(second.reason.find("not sk_lookup: kernel 5.4"), std::string::npos);
  EXPECT_EQ(second.hint, "newer");

  const Steering third = decide_steering(answered(steer::Mode::None, steer::Fault::NoPermission, "not permitted", "be root"));
  EXPECT_EQ(third.mode, SteeringMode::Listeners);
  EXPECT_NE(third.reason.find("meshd-steer cannot steer: not permitted"), std::string::npos);
  EXPECT_EQ(third.hint, "be root");
}

TEST_CASE("without a helper only declared upstreams are reachable, and the hint says how to start it") {
  const SteerState state{.link = Link::NoHelper, .socket_path = "/run/meshd/steer.sock", .failure = "it is not running"};
  const Steering steering = decide_steering(state);
  EXPECT_EQ(steering.mode, SteeringMode::Listeners);
  EXPECT(steering.settled);
  EXPECT_NE(steering.reason.find("it is not running"), std::string::npos);
  EXPECT_NE(steering.hint.find("systemctl enable --now meshd-steer"), std::string::npos);
  SteerState refused = state;
  refused.link = Link::Refused;
  EXPECT_NE(decide_steering(refused).hint.find("--user"), std::string::npos);
}

TEST_CASE("nothing is settled before the helper has answered") {
  for (const Link link : {Link::Idle, Link::Waiting}) EXPECT_FALSE(decide_steering({.link = link}).settled);
}

TEST_CASE("a helper that went leaves the mode in force and is mentioned") {
  SteerState state = answered(steer::Mode::SkLookup, steer::Fault::None, "", "");
  state.link = Link::NoHelper;
  const Steering steering = decide_steering(state);
  EXPECT_EQ(steering.mode, SteeringMode::SkLookup);
  EXPECT_NE(steering.reason.find("not running now"), std::string::npos);
}

}  // namespace mesh::daemon
