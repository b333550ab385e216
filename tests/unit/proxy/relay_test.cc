#include "agent/proxy/relay.h"

#include <sys/socket.h>
#include <unistd.h>

#include "net/sockets.h"
#include "tests/unit/net/net_fixture.h"

namespace mesh::proxy {

namespace {

using model::ReasonCode;
using net::Loop;
using net::settle;
using net::StreamPair;
using net::wait_for;

// source program <-> left <-> relay <-> right <-> destination program; a is the program, b the relay's side.
struct Relayed {
  explicit Relayed(Loop& on_loop, const RelayOptions& options = {}, const RelayStart& start = {})
      : loop(on_loop), left(on_loop), right(on_loop) {
    relay = std::make_unique<Relay>(std::move(left.b), std::move(right.b), options,
                                    [this](ReasonCode reason) { ended = reason; });
    relay->start(start);
  }

  bool wait_end() {
    return wait_for(loop, [this] { return ended.has_value(); });
  }
  net::RecordingObserver& source() { return left.at_a; }
  net::RecordingObserver& destination() { return right.at_a; }

  Loop& loop;
  StreamPair left, right;
  std::optional<ReasonCode> ended;
  std::unique_ptr<Relay> relay;
};

}  // namespace

TEST_CASE("bytes go both ways, whoever speaks first") {
  Loop loop("test");
  for (const bool server_first : {false, true}) {
    Relayed relayed(loop);
    net::Stream& first = server_first ? *relayed.right.a : *relayed.left.a;
    net::Stream& second = server_first ? *relayed.left.a : *relayed.right.a;
    net::RecordingObserver& at_first = server_first ? relayed.right.at_a : relayed.left.at_a;
    net::RecordingObserver& at_second = server_first ? relayed.left.at_a : relayed.right.at_a;
    first.resume_reading();
    second.resume_reading();
    first.write("banner");
    REQUIRE(wait_for(loop, [&] { return at_second.received == "banner"; }));
    second.write("answer");
    REQUIRE(wait_for(loop, [&] { return at_first.received == "answer"; }));
    EXPECT_EQ(relayed.relay->bytes_to_destination(), 6u);
    EXPECT_EQ(relayed.relay->bytes_to_source(), 6u);
  }
}

TEST_CASE("what was read before the relay began is delivered first") {
  Loop loop("test");
  Relayed relayed(loop, {}, {.for_source = "hello", .for_destination = "early ", .destination_has = 4});
  relayed.left.a->resume_reading();
  relayed.right.a->resume_reading();
  relayed.left.a->write("late");
  REQUIRE(wait_for(loop, [&] { return relayed.destination().received == "early late"; }));
  REQUIRE(wait_for(loop, [&] { return relayed.source().received == "hello"; }));
  EXPECT_EQ(relayed.relay->bytes_to_destination(), 14u);
}

// Every order in which two programs can end their directions and close their sockets.
TEST_CASE("a half-close is passed on at once and the other direction runs on, in every order") {
  Loop loop("test");
  for (const bool source_first : {false, true})
    for (const bool answer_after : {false, true})
      for (const bool bytes_before : {false, true}) {
        Relayed relayed(loop);
        StreamPair& first = source_first ? relayed.left : relayed.right;
        StreamPair& second = source_first ? relayed.right : relayed.left;
        first.a->resume_reading();
        second.a->resume_reading();
        if (bytes_before) first.a->write("last words");
        first.a->shutdown_write();
        REQUIRE(wait_for(loop, [&] { return second.at_a.ended; }));
        EXPECT_EQ(second.at_a.received, bytes_before ? "last words" : "");
        settle(loop);
        EXPECT_FALSE(relayed.ended.has_value());
        EXPECT_FALSE(first.at_a.ended);
        if (answer_after) {
          second.a->write("answer");
          REQUIRE(wait_for(loop, [&] { return first.at_a.received == "answer"; }));
        }
        second.a->shutdown_write();
        REQUIRE(relayed.wait_end());
        EXPECT_EQ(*relayed.ended, ReasonCode::Connected);
        REQUIRE(wait_for(loop, [&] { return first.at_a.ended; }));
        EXPECT_FALSE(first.at_a.failure.has_value());
        EXPECT_FALSE(second.at_a.failure.has_value());
      }
}

TEST_CASE("both ends at the same time end the connection in order") {
  Loop loop("test");
  Relayed relayed(loop);
  relayed.left.a->resume_reading();
  relayed.right.a->resume_reading();
  relayed.left.a->write("a");
  relayed.right.a->write("b");
  relayed.left.a->shutdown_write();
  relayed.right.a->shutdown_write();
  REQUIRE(relayed.wait_end());
  EXPECT_EQ(*relayed.ended, ReasonCode::Connected);
  REQUIRE(wait_for(loop, [&] { return relayed.source().ended && relayed.destination().ended; }));
  EXPECT_EQ(relayed.source().received, "b");
  EXPECT_EQ(relayed.destination().received, "a");
}

TEST_CASE("an end that came before the relay began is passed on when it begins") {
  Loop loop("test");
  Relayed relayed(loop, {}, {.for_destination = "request", .source_ended = true});
  relayed.right.a->resume_reading();
  relayed.left.a->resume_reading();
  REQUIRE(wait_for(loop, [&] { return relayed.destination().ended; }));
  EXPECT_EQ(relayed.destination().received, "request");
  relayed.right.a->write("answer");
  relayed.right.a->shutdown_write();
  REQUIRE(wait_for(loop, [&] { return relayed.source().ended; }));
  EXPECT_EQ(relayed.source().received, "answer");
  REQUIRE(relayed.wait_end());
}

TEST_CASE("a reset is passed on as a reset, from either side, also after a half-close") {
  Loop loop("test");
  for (const bool from_source : {false, true})
    for (const bool half_closed : {false, true}) {
      Relayed relayed(loop);
      StreamPair& broken = from_source ? relayed.left : relayed.right;
      StreamPair& other = from_source ? relayed.right : relayed.left;
      broken.a->resume_reading();
      other.a->resume_reading();
      if (half_closed) {
        other.a->shutdown_write();
        REQUIRE(wait_for(loop, [&] { return broken.at_a.ended; }));
      }
      broken.a->reset();
      REQUIRE(relayed.wait_end());
      EXPECT_EQ(*relayed.ended, from_source ? ReasonCode::ResetBySource : ReasonCode::ResetByDestination);
      REQUIRE(wait_for(loop, [&] { return other.at_a.failure.has_value(); }));
      EXPECT(other.a->reset_by_peer());
      EXPECT_FALSE(other.at_a.ended);
    }
}

TEST_CASE("a program that is gone while the other side still writes breaks the writer") {
  Loop loop("test");
  Relayed relayed(loop);
  relayed.right.a->resume_reading();
  relayed.left.a.reset();  // an orderly close of both directions
  REQUIRE(wait_for(loop, [&] { return relayed.destination().ended; }));
  // Nobody takes these bytes: the kernel answers with a reset.
  for (int n = 0; n < 1000 && !relayed.destination().failure; ++n) {
    relayed.right.a->write("to nobody");
    settle(loop, 1);
  }
  REQUIRE(relayed.wait_end());
  EXPECT_EQ(*relayed.ended, ReasonCode::ResetBySource);
  REQUIRE(wait_for(loop, [&] { return relayed.destination().failure.has_value(); }));
}

TEST_CASE("a slow reader stops the writer within the bound and loses nothing") {
  Loop loop("test");
  for (const bool slow_source : {false, true}) {
    Relayed relayed(loop);
    StreamPair& writer = slow_source ? relayed.right : relayed.left;
    StreamPair& reader = slow_source ? relayed.left : relayed.right;
    std::size_t written = 0;
    const Bytes block(1 << 20, 'x');
    for (int n = 0; n < 32; ++n) {
      writer.a->write(block);
      written += block.size();
      settle(loop, 2);
    }
    settle(loop, 50);
    const std::size_t taken =
        slow_source ? relayed.relay->bytes_to_source() : relayed.relay->bytes_to_destination();
    EXPECT(relayed.relay->queued_bytes() <= kRelayHighMarkBytes + Loop::kReadBufferBytes);
    EXPECT(taken < written);
    reader.a->resume_reading();
    writer.a->shutdown_write();
    REQUIRE(wait_for(loop, [&] { return reader.at_a.ended; }));
    EXPECT_EQ(reader.at_a.received.size(), written);
    EXPECT_EQ(relayed.relay->queued_bytes(), 0u);
  }
}

TEST_CASE("a connection without a byte ends after the idle time and is reset, if one is set") {
  Loop loop("test");
  Relayed relayed(loop, {.idle_time = milliseconds(20)});
  relayed.left.a->resume_reading();
  REQUIRE(relayed.wait_end());
  EXPECT_EQ(*relayed.ended, ReasonCode::IdleTimeout);
  REQUIRE(wait_for(loop, [&] { return relayed.source().failure.has_value(); }));
  EXPECT(relayed.left.a->reset_by_peer());
}

TEST_CASE("a relay that is reset resets both sides and tells nobody") {
  Loop loop("test");
  Relayed relayed(loop);
  relayed.left.a->resume_reading();
  relayed.right.a->resume_reading();
  relayed.relay->reset();
  REQUIRE(wait_for(loop, [&] { return relayed.source().failure && relayed.destination().failure; }));
  EXPECT_FALSE(relayed.ended.has_value());
}

}  // namespace mesh::proxy
