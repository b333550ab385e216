#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"
#include "net/port_owner.h"
#include "net/tcp.h"
#include "tests/unit/net/net_fixture.h"

namespace mesh::net {

TEST_CASE("bytes travel both ways and a half-close is seen as the end") {
  Loop loop("test");
  for (const bool v6 : {false, true}) {
    StreamPair pair(loop, v6 ? *Endpoint::parse("[::1]:0") : any_loopback_port());
    pair.a->resume_reading();
    pair.b->resume_reading();
    const ByteView pieces[] = {"hello", " ", "world"};
    EXPECT(pair.a->write(pieces));
    pair.a->shutdown_write();
    REQUIRE(wait_for(loop, [&] { return pair.at_b.ended; }));
    EXPECT_EQ(pair.at_b.received, "hello world");
    EXPECT(pair.b->write("answer after the half-close"));
    pair.b->shutdown_write();
    REQUIRE(wait_for(loop, [&] { return pair.at_a.ended; }));
    EXPECT_EQ(pair.at_a.received, "answer after the half-close");
    EXPECT_EQ(pair.a->local(), pair.b->remote());
    EXPECT_EQ(pair.a->remote(), pair.b->local());
    EXPECT_EQ(pair.b->bytes_read_total(), 11u);
    EXPECT_EQ(pair.a->bytes_written_total(), 11u);
  }
}

TEST_CASE("nothing is read while paused and the writer is told to wait and to go on") {
  Loop loop("test");
  StreamPair pair(loop);
  const Bytes block(1 << 20, 'x');
  std::size_t written = 0;
  // The kernel's buffers grow: it may take more a moment after it had taken enough.
  int told = -1;
  while (told != pair.at_a.writable) {
    told = pair.at_a.writable;
    for (bool go_on = !pair.a->above_high_mark(); go_on; written += block.size()) {
      REQUIRE(written < (256u << 20));
      go_on = pair.a->write(block);
    }
    EXPECT(pair.a->above_high_mark());
    settle(loop);
  }
  EXPECT(pair.at_b.received.empty());
  pair.a->write_owned("owned");
  pair.a->write_shared(share("shared"));
  pair.b->resume_reading();
  REQUIRE(wait_for(loop, [&] { return pair.at_b.received.size() == written + 11; }));
  EXPECT(pair.at_b.received.ends_with("xownedshared"));
  REQUIRE(wait_for(loop, [&] { return pair.a->queued_bytes() == 0; }));
  EXPECT_EQ(pair.at_a.writable, told + 1);
  pair.b->pause_reading();
  EXPECT_EQ(pair.b->read_pauses_total(), 1u);
}

TEST_CASE("output over the queue's limit fails the stream after the call") {
  Loop loop("test");
  StreamPair pair(loop);
  pair.a->set_options(StreamOptions{.queue_bytes_max = 1 << 20});
  const Bytes block(8 << 20, 'x');
  for (int n = 0; n < 8 && !pair.a->failed(); ++n) pair.a->write(block);
  EXPECT_FALSE(pair.at_a.failure.has_value());
  REQUIRE(wait_for(loop, [&] { return pair.at_a.failure.has_value(); }));
  EXPECT_EQ(pair.at_a.failure->code, Code::Overloaded);
}

TEST_CASE("a peer that takes no byte fails the stream with Timeout") {
  Loop loop("test");
  StreamPair pair(loop);
  pair.a->set_options(StreamOptions{.write_stall_max = milliseconds(20)});
  while (pair.a->write(Bytes(1 << 20, 'x'))) {
  }
  REQUIRE(wait_for(loop, [&] { return pair.at_a.failure.has_value(); }));
  EXPECT_EQ(pair.at_a.failure->code, Code::Timeout);
}

TEST_CASE("a reset is told apart from an end") {
  Loop loop("test");
  StreamPair pair(loop);
  check_reset(loop, pair);
}

TEST_CASE("what the peer sent before it closed is read although writing to it fails") {
  Loop loop("test");
  StreamPair pair(loop);
  pair.b->write("last words");
  pair.b.reset();
  settle(loop);
  pair.a->write("into the void");
  settle(loop);
  pair.a->resume_reading();
  pair.a->write("again");
  REQUIRE(wait_for(loop, [&] { return pair.at_a.failure.has_value() || pair.at_a.ended; }));
  EXPECT_EQ(pair.at_a.received, "last words");
}

TEST_CASE("a stream may be destroyed in each of its callbacks") {
  Loop loop("test");
  struct Destroyer final : StreamObserver {
    std::unique_ptr<Stream>* stream = nullptr;
    int calls = 0;
    void gone() {
      ++calls;
      stream->reset();
    }
    void on_data(ByteView) override { gone(); }
    void on_end() override { gone(); }
    void on_failed(const Error&) override { gone(); }
  };
  for (int way = 0; way < 3; ++way) {
    StreamPair pair(loop);
    Destroyer destroyer;
    destroyer.stream = &pair.b;
    pair.b->set_observer(&destroyer);
    pair.b->resume_reading();
    if (way == 0) pair.a->write(Bytes(300'000, 'x'));
    if (way == 1) pair.a->shutdown_write();
    if (way == 2) pair.a->reset();
    REQUIRE(wait_for(loop, [&] { return pair.b == nullptr; }));
    settle(loop);
    EXPECT_EQ(destroyer.calls, 1);
  }
}

TEST_CASE("a stream with queued output may be destroyed") {
  Loop loop("test");
  StreamPair pair(loop);
  while (pair.a->write(Bytes(1 << 20, 'x'))) {
  }
  pair.a.reset();
  settle(loop);
}

TEST_CASE("unix sockets are the same streams and know their peer") {
  Loop loop("test");
  auto dir = TempDir::make("net-test");
  REQUIRE(dir.ok());
  const std::string path = dir->path() + "/s.sock";
  {
    StreamPair pair(loop, UnixPath{path});
    pair.b->resume_reading();
    pair.a->write("over a path");
    pair.a->shutdown_write();
    REQUIRE(wait_for(loop, [&] { return pair.at_b.ended; }));
    EXPECT_EQ(pair.at_b.received, "over a path");
    const auto who = pair.b->peer_credentials();
    REQUIRE(who.has_value());
    EXPECT_EQ(who->uid, getuid());
    EXPECT_EQ(who->pid, getpid());
    auto second = StreamListener::listen(loop, UnixPath{path}, {}, [](std::unique_ptr<Stream>) {});
    REQUIRE_FALSE(second.ok());
    EXPECT_EQ(second.error().code, Code::Conflict);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_CASE("the socket file of a dead process is replaced") {
  Loop loop("test");
  auto dir = TempDir::make("net-test");
  REQUIRE(dir.ok());
  const std::string path = dir->path() + "/s.sock";
  {
    // Adopted, so that its end does not remove the path.
    StreamPair pair(loop, UnixPath{path});
    std::filesystem::create_hard_link(path, path + ".kept");
  }
  std::filesystem::rename(path + ".kept", path);
  StreamPair pair(loop, UnixPath{path});
  EXPECT(std::filesystem::exists(path));
}

TEST_CASE("a taken port is an error that names its owner") {
  Loop loop("test");
  StreamPair pair(loop);
  auto second = StreamListener::listen(loop, pair.listener->local(), {}, [](std::unique_ptr<Stream>) {});
  REQUIRE_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::Conflict);
  CAPTURE(second.error().message);
  EXPECT_NE(second.error().message.find(fmt::format("(pid {})", getpid())), std::string::npos);
  EXPECT_FALSE(port_owner(PortProtocol::Udp, Address{IpAddress::v4(0x7f0000fe), 1}).has_value());
}

TEST_CASE("connecting to nobody is Unavailable and names the target") {
  Loop loop("test");
  Endpoint closed;
  {
    StreamPair pair(loop);
    closed = pair.listener->local();
  }
  settle(loop);
  std::optional<Error> failure;
  StreamConnect tcp(loop, closed, {.deadline = loop.now() + kTestPatience}, [&](auto result) {
    REQUIRE_FALSE(result.ok());
    failure = result.error();
  });
  EXPECT_FALSE(failure.has_value());
  REQUIRE(wait_for(loop, [&] { return failure.has_value(); }));
  EXPECT_EQ(failure->code, Code::Unavailable);
  EXPECT_NE(failure->message.find(closed.to_string()), std::string::npos);
  failure.reset();
  StreamConnect path(loop, UnixPath{"/nonexistent/socket"}, {.deadline = loop.now() + kTestPatience},
                     [&](auto result) { failure = result.error(); });
  REQUIRE(wait_for(loop, [&] { return failure.has_value(); }));
  EXPECT_EQ(failure->code, Code::Unavailable);
}

TEST_CASE("a connect ends at its deadline and a destroyed one is silent") {
  Loop loop("test");
  // A listener that never accepts, its queue filled: further attempts get no answer.
  auto listener = StreamListener::listen(loop, any_loopback_port(), {.backlog = 1}, [](std::unique_ptr<Stream>) {});
  REQUIRE(listener.ok());
  int timeouts = 0;
  int calls = 0;
  std::vector<std::unique_ptr<StreamConnect>> attempts;
  std::vector<std::unique_ptr<Stream>> made;
  (*listener)->pause();
  for (int n = 0; n < 8; ++n)
    attempts.push_back(std::make_unique<StreamConnect>(
        loop, (*listener)->local(), ConnectOptions{.deadline = loop.now() + milliseconds(100)}, [&](auto result) {
          ++calls;
          if (result.ok())
            made.push_back(std::move(*result));
          else if (result.error().code == Code::Timeout)
            ++timeouts;
        }));
  attempts.pop_back();
  REQUIRE(wait_for(loop, [&] { return calls == 7; }));
  EXPECT_GE(timeouts, 1);
}

TEST_CASE("a paused listener leaves connections in the kernel's queue") {
  Loop loop("test");
  int accepted = 0;
  auto listener =
      StreamListener::listen(loop, any_loopback_port(), {}, [&](std::unique_ptr<Stream>) { ++accepted; });
  REQUIRE(listener.ok());
  (*listener)->pause();
  std::unique_ptr<Stream> client;
  StreamConnect connect(loop, (*listener)->local(), {.deadline = loop.now() + kTestPatience},
                        [&](auto result) { client = std::move(*result); });
  REQUIRE(wait_for(loop, [&] { return client != nullptr; }));
  settle(loop);
  EXPECT_EQ(accepted, 0);
  (*listener)->resume();
  EXPECT_EQ(accepted, 0);
  REQUIRE(wait_for(loop, [&] { return accepted == 1; }));
}

TEST_CASE("a reset that arrives together with bytes is no orderly end") {
  Loop loop("test");
  StreamPair pair(loop);
  pair.a->write("last bytes");
  pair.a->reset();
  settle(loop);  // both are in the kernel before anybody reads
  pair.b->resume_reading();
  REQUIRE(wait_for(loop, [&] { return pair.at_b.failure.has_value() || pair.at_b.ended; }));
  EXPECT_FALSE(pair.at_b.ended);
  EXPECT(pair.b->reset_by_peer());
}

}  // namespace mesh::net
