#include "daemon/steer_client.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "daemon/steer/channel.h"
#include "net/readable.h"
#include "net/sockets.h"
#include "net/timer.h"

namespace mesh::daemon {

using Link = SteerState::Link;

SteerClient::SteerClient(net::Loop& loop, Options options) : loop_(loop), options_(std::move(options)) {
  state_.socket_path = options_.socket_path;
  timer_ = std::make_unique<net::Timer>(loop_, [this] { on_timer(); });
}

SteerClient::~SteerClient() = default;

void SteerClient::hand_over(SteerSockets sockets) {
  CHECK(sockets.listeners.size() <= steer::kListenersMax);
  sockets_ = std::move(sockets);
  retry_ = kSteerRetryMin;
  // One message at a time: an answer that is on its way belongs to the one before, so begin anew.
  readable_.reset();
  connection_.reset();
  timer_->start_after(Duration::zero());
}

void SteerClient::connect() {
  if (Status connected = try_connect(); !connected.ok()) return lost(Link::NoHelper, connected.error());
  if (Status sent = send(); !sent.ok()) return lost(Link::NoHelper, sent.error());
}

Status SteerClient::try_connect() {
  const std::string& path = options_.socket_path;
  if (path.empty() || path.size() > net::kUnixPathBytesMax) return error(Code::Invalid, "the path '{}' is empty or too long", path);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return io_error("socket", errno);
  const net::SocketName name = net::to_socket_name(net::UnixPath{path});
  if (::connect(fd.get(), name.get(), name.size) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED) return error(Code::Unavailable, "meshd-steer is not running ({})", path);
    return io_error(fmt::format("meshd-steer at {}", path), errno);
  }
  // Only root or this very user may receive the listeners.
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || (peer.uid != 0 && peer.uid != geteuid()))
    return error(Code::Denied, "{} belongs to user {}, not to root", path, peer.uid);
  MESH_TRY(readable, net::Readable::watch(loop_, fd.get(), [this] { on_readable(); }));
  connection_ = std::move(fd);
  readable_ = std::move(readable);
  input_.clear();
  received_.clear();
  return {};
}

Status SteerClient::send() {
  steer::HandOver message;
  message.listeners = static_cast<std::uint32_t>(sockets_->listeners.size());
  message.dns_udp = sockets_->dns_udp.has_value();
  message.dns_tcp = sockets_->dns_tcp.has_value();
  std::vector<int> descriptors = sockets_->listeners;
  if (sockets_->dns_udp) descriptors.push_back(*sockets_->dns_udp);
  if (sockets_->dns_tcp) descriptors.push_back(*sockets_->dns_tcp);
  MESH_TRY_STATUS(steer::send_frame(connection_.get(), steer::frame_of(message), descriptors));
  timer_->start_after(kSteerAnswerMax);
  SteerState next = state_;
  next.link = Link::Waiting;
  state_ = std::move(next);  // not worth telling: the answer comes at once
  return {};
}

void SteerClient::on_readable() {
  if (Status read = read_some(); !read.ok())
    lost(state_.link == Link::Waiting ? Link::Refused : Link::NoHelper, read.error());
}

// An error means that the connection is of no more use.
Status SteerClient::read_some() {
  MESH_TRY(received, steer::receive_some(connection_.get(), input_, received_));
  if (received == steer::Received::End) {
    if (state_.link != Link::Waiting) return error(Code::Unavailable, "meshd-steer has ended");
    return error(Code::Denied, "meshd-steer hung up: it does not let user {} in, or is of another release", geteuid());
  }
  MESH_TRY(answer, steer::take_answer(input_));
  if (answer) on_answer(std::move(*answer));
  return {};
}

void SteerClient::on_answer(steer::Answer answer) {
  retry_ = kSteerRetryMin;
  if (answer.mode == steer::Mode::SkLookup && answer.fault == steer::Fault::None) timer_->stop();
  else timer_->start_after(kSteerAgainAfter);
  std::vector<UniqueFd> received = std::exchange(received_, {});
  if (answer.dns_answers && received.size() == 1 && options_.on_dns_answers) options_.on_dns_answers(std::move(received.front()));
  SteerState next = state_;
  next.link = Link::Answered;
  next.failure.clear();
  next.answer = std::move(answer);
  change(std::move(next));
}

void SteerClient::lost(Link link, const Error& cause) {
  readable_.reset();
  connection_.reset();
  timer_->start_after(retry_);
  retry_ = std::min(2 * retry_, kSteerRetryMax);
  SteerState next = state_;
  next.link = link;
  next.failure = cause.message;
  change(std::move(next));
}

void SteerClient::on_timer() {
  if (connection_ && state_.link == Link::Waiting) return lost(Link::NoHelper, error(Code::Timeout, "meshd-steer does not answer"));
  if (!sockets_) return;
  if (!connection_) return connect();
  if (Status sent = send(); !sent.ok()) lost(Link::NoHelper, sent.error());
}

void SteerClient::change(SteerState next) {
  state_ = std::move(next);
  if (told_ == state_) return;
  told_ = state_;
  const Steering now = decide_steering(state_);
  if (now.reason != logged_) {
    logged_ = now.reason;
    if (now.hint.empty()) LOG_INFO("steering", {"mode", steering_mode_name(now.mode)}, {"reason", now.reason});
    else LOG_WARN("steering", {"mode", steering_mode_name(now.mode)}, {"reason", now.reason}, {"try", now.hint});
  }
  if (options_.on_change) options_.on_change(state_);
}

}  // namespace mesh::daemon
