// A small agent for steer_test.py: listeners handed over by the product's own client, each connection answered with one
// line that says which listener took it, what it dialled and who the kernel says it is; DNS sockets that echo.
// Usage: steer_agent SOCKET LISTENERS. Prints a line for each change of steering; ends with SIGTERM.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "base/check.h"
#include "base/message.h"
#include "daemon/steer_client.h"
#include "net/loop.h"
#include "net/original_destination.h"
#include "net/signal.h"
#include "net/socket_owner.h"
#include "net/tcp.h"
#include "net/udp.h"

namespace {

using namespace mesh;

void say(const std::string& line) {
  std::printf("%s\n", line.c_str());
  std::fflush(stdout);
}

const net::Endpoint kAnyPort(net::IpAddress::loopback(), 0);

struct Closing final : net::StreamObserver {
  void on_data(ByteView data) override { stream->write(data); }
  void on_end() override { stream->shutdown_write(); }
  void on_failed(const Error&) override {}
  std::unique_ptr<net::Stream> stream;
};

struct Agent {
  Agent(net::Loop& on, const std::string& socket, std::size_t count) : loop(on), owner(std::move(net::SocketOwner::open()).value()) {
    for (std::size_t n = 0; n < count; ++n) listeners.push_back(listen(fmt::format("listener={}", n)));
    dns_tcp = listen("dns");
    auto bound = net::UdpSocket::bind(loop, {net::IpAddress::loopback(), 0}, {}, [this](const net::Address& from, ByteView data) {
      dns_udp->send(from, fmt::format("dns {}", data));
    });
    CHECK(bound.ok(), "{}", bound.error().message);
    dns_udp = std::move(*bound);
    client.emplace(loop, daemon::SteerClient::Options{
                             .socket_path = socket,
                             .on_change = [](const daemon::SteerState& state) { tell(state); },
                             .on_dns_answers = [this](UniqueFd raw) { dns_udp->answer_through(std::move(raw), 53); }});
    daemon::SteerSockets sockets;
    for (const auto& listener : listeners) sockets.listeners.push_back(listener->descriptor());
    sockets.dns_udp = dns_udp->descriptor();
    sockets.dns_tcp = dns_tcp->descriptor();
    client->hand_over(std::move(sockets));
  }

  static void tell(const daemon::SteerState& state) {
    const daemon::Steering steering = daemon::decide_steering(state);
    say(fmt::format("steering mode={} link={} fault={} reason={} hint={}", daemon::steering_mode_name(steering.mode),
                    static_cast<int>(state.link), enum_text(state.answer.fault), steering.reason, steering.hint));
  }

  std::unique_ptr<net::StreamListener> listen(const std::string& name) {
    auto made = net::StreamListener::listen(loop, kAnyPort, {}, [this, name](std::unique_ptr<net::Stream> stream) {
      serve(name, std::move(stream));
    });
    CHECK(made.ok(), "{}", made.error().message);
    return std::move(*made);
  }

  void serve(const std::string& name, std::unique_ptr<net::Stream> stream) {
    std::string line;
    const auto dialled = net::dialled_mesh_address(stream->descriptor());
    if (dialled.ok()) {
      const auto facts = owner.client_of({stream->remote().address(), *dialled});
      line = facts.ok() ? fmt::format("{} dialled={} uid={} cgroup={}\n", name, dialled->to_string(),
                                      facts->uid ? std::to_string(*facts->uid) : "?", facts->cgroup_id.value_or(0))
                        : fmt::format("{} dialled={} error={}\n", name, dialled->to_string(), facts.error().message);
    } else {
      line = fmt::format("{} error={}\n", name, dialled.error().message);
    }
    auto closing = std::make_unique<Closing>();
    closing->stream = std::move(stream);
    closing->stream->set_observer(closing.get());
    closing->stream->resume_reading();
    closing->stream->write(line);
    streams.push_back(std::move(closing));
  }

  net::Loop& loop;
  net::SocketOwner owner;
  std::vector<std::unique_ptr<net::StreamListener>> listeners;
  std::unique_ptr<net::StreamListener> dns_tcp;
  std::unique_ptr<net::UdpSocket> dns_udp;
  std::vector<std::unique_ptr<Closing>> streams;
  std::optional<daemon::SteerClient> client;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  net::Loop loop("agent");
  net::SignalWatcher term(loop, SIGTERM, [&loop] { loop.stop(); });
  Agent agent(loop, argv[1], static_cast<std::size_t>(std::atoi(argv[2])));
  loop.run();
  return 0;
}
