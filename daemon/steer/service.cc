#include "daemon/steer/service.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/steer/channel.h"
#include "net/sockets.h"

namespace mesh::steer {

namespace {

constexpr int kBacklog = 16;

// Everybody may knock; SO_PEERCRED says who is let in.
constexpr mode_t kSocketMode = 0666;

Result<UniqueFd> listen_at(const std::string& path) {
  if (path.empty() || path.size() > net::kUnixPathBytesMax)
    return error(Code::Invalid, "the socket's path '{}' is empty or longer than {} bytes", path, net::kUnixPathBytesMax);
  const net::SocketName name = net::to_socket_name(net::UnixPath{path});
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return io_error("socket", errno);
  if (::bind(fd.get(), name.get(), name.size) != 0) {
    if (errno != EADDRINUSE) return net::socket_error(fmt::format("{}: bind (is the folder there and writable?)", path), errno);
    if (helper_answers(path)) return error(Code::Conflict, "another meshd-steer answers on {}: stop it first", path);
    ::unlink(path.c_str());
    if (::bind(fd.get(), name.get(), name.size) != 0) return net::socket_error(path, errno);
  }
  if (::chmod(path.c_str(), kSocketMode) != 0 || ::listen(fd.get(), kBacklog) != 0) return net::socket_error(path, errno);
  return fd;
}

}  // namespace

bool helper_answers(const std::string& socket_path) {
  if (socket_path.size() > net::kUnixPathBytesMax) return false;
  const net::SocketName name = net::to_socket_name(net::UnixPath{socket_path});
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return probe && ::connect(probe.get(), name.get(), name.size) == 0;
}

Result<std::unique_ptr<Service>> Service::open(Options options, Backend& backend) {
  std::unique_ptr<Service> service(new Service(std::move(options), backend));
  if (service->options_.listening) {
    service->listener_ = std::move(service->options_.listening);
    return service;
  }
  MESH_TRY(fd, listen_at(service->options_.socket_path));
  service->listener_ = std::move(fd);
  service->own_path_ = true;
  return service;
}

Service::~Service() {
  if (own_path_) ::unlink(options_.socket_path.c_str());
}

Status Service::serve(int stop) {
  for (;;) {
    std::vector<pollfd> wanted{{stop, POLLIN, 0}, {listener_.get(), POLLIN, 0}};
    for (const Client& client : clients_) wanted.push_back({client.fd.get(), POLLIN, 0});
    if (::poll(wanted.data(), wanted.size(), poll_time_ms()) < 0 && errno != EINTR) return io_error("poll", errno);
    if (wanted[0].revents != 0) return {};
    const MonoTime now = mono_now();
    std::vector<Client> left;
    for (std::size_t n = 0; n < clients_.size(); ++n) {
      Client& client = clients_[n];
      Status served = wanted[n + 2].revents != 0 ? serve_client(client) : Status();
      if (served.ok() && client.deadline <= now) served = error(Code::Timeout, "no whole message in time");
      if (served.ok()) left.push_back(std::move(client));
      else LOG_INFO("client gone", {"cause", served.error()});
    }
    clients_ = std::move(left);
    if (wanted[1].revents != 0) accept_one();
  }
}

void Service::accept_one() {
  UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd || !allowed(fd.get())) return;
  if (clients_.size() >= kClientsMax) {
    LOG_WARN("too many clients", {"most", kClientsMax});
    return;
  }
  clients_.push_back({.fd = std::move(fd), .deadline = mono_now() + kFrameTimeMax});
}

bool Service::allowed(int fd) const {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  if (peer.uid == 0 || peer.uid == options_.user) return true;
  LOG_WARN("refused a client", {"uid", peer.uid}, {"allowed", options_.user});
  return false;
}

// An error ends the client.
Status Service::serve_client(Client& client) {
  MESH_TRY(received, receive_some(client.fd.get(), client.input, client.descriptors));
  if (received == Received::Nothing) return {};
  if (received == Received::End) return error(Code::Cancelled, "it hung up");
  if (client.deadline == kNever) client.deadline = mono_now() + kFrameTimeMax;
  MESH_TRY(message, take_hand_over(client.input));
  if (!message) return {};
  // The next message is sent after this one's answer: its descriptors cannot be mixed with these.
  if (!client.input.empty()) return error(Code::Invalid, "it did not wait for the answer");
  client.deadline = kNever;
  return answer(client, *message);
}

Status Service::answer(Client& client, const HandOver& message) {
  const Backend::Outcome outcome = backend_.hand_over(message, std::exchange(client.descriptors, {}));
  const Answer& answer = outcome.answer;
  LOG_INFO("handed over", {"mode", enum_text(answer.mode)}, {"listeners", answer.listeners}, {"dns_udp", answer.dns_udp},
           {"dns_tcp", answer.dns_tcp}, {"fault", enum_text(answer.fault)}, {"message", answer.message});
  const int raw = outcome.dns_answers.get();
  return send_frame(client.fd.get(), frame_of(answer), std::span(&raw, answer.dns_answers ? 1u : 0u));
}

int Service::poll_time_ms() const {
  MonoTime first = kNever;
  for (const Client& client : clients_) first = std::min(first, client.deadline);
  if (first == kNever) return -1;
  const auto wait = std::chrono::ceil<std::chrono::milliseconds>(first - mono_now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(wait, 0, 60'000));
}

}  // namespace mesh::steer
