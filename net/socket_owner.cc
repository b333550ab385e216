#include "net/socket_owner.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "net/sockets.h"

namespace mesh::net {

namespace {

constexpr std::size_t kAnswerBytesMax = 8192;  // one socket with its attributes takes some 300
constexpr int kStaleAnswersMax = 16;

struct Request {
  nlmsghdr head;
  inet_diag_req_v2 body;
};

// The kernel's form of one end: IPv4 in the first word, else all four.
void put_ip(__be32 (&out)[4], const IpAddress& ip) {
  static_assert(sizeof out == 16);
  std::memcpy(out, ip.bytes().data(), ip.is_v4() ? 4 : 16);
}

IpAddress ip_of(unsigned family, const __be32 (&words)[4]) {
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), words, bytes.size());
  if (family == AF_INET6) return IpAddress::v6(bytes);  // a v4-mapped one becomes IPv4
  return IpAddress::v4(ntohl(words[0]));
}

SocketFacts facts_of(const inet_diag_msg& found, const char* attributes, std::size_t size) {
  SocketFacts facts;
  facts.inode = found.idiag_inode;
  // Of a socket that no process holds, older kernels say uid 0.
  if (found.idiag_inode != 0 || found.idiag_uid != 0) facts.uid = found.idiag_uid;
  while (size >= sizeof(rtattr)) {
    rtattr attribute;
    std::memcpy(&attribute, attributes, sizeof attribute);
    if (attribute.rta_len < sizeof attribute || attribute.rta_len > size) break;
    std::uint64_t id = 0;
    if (attribute.rta_type == INET_DIAG_CGROUP_ID && attribute.rta_len >= RTA_LENGTH(sizeof id)) {
      std::memcpy(&id, attributes + RTA_LENGTH(0), sizeof id);
      if (id != 0) facts.cgroup_id = id;
    }
    const std::size_t step = std::min<std::size_t>(RTA_ALIGN(attribute.rta_len), size);
    attributes += step;
    size -= step;
  }
  return facts;
}

bool holds_a_process(unsigned state) {
  return state == TCP_ESTABLISHED || state == TCP_FIN_WAIT1 || state == TCP_FIN_WAIT2 || state == TCP_CLOSE_WAIT ||
         state == TCP_LAST_ACK || state == TCP_CLOSING;
}

}  // namespace

struct SocketOwner::Question {
  Address near;       // the socket looked for
  Address far;        // its peer; for a listener 0.0.0.0:0
  bool listening = false;

  [[nodiscard]] std::string what() const {
    return listening ? fmt::format("a listener at {}", near.to_string())
                     : fmt::format("a socket from {} to {}", near.to_string(), far.to_string());
  }
  [[nodiscard]] Request request(std::uint32_t sequence) const {
    Request out{};
    out.head.nlmsg_len = sizeof out;
    out.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    out.head.nlmsg_flags = NLM_F_REQUEST;
    out.head.nlmsg_seq = sequence;
    out.body.sdiag_family = near.ip.is_v4() ? AF_INET : AF_INET6;
    out.body.sdiag_protocol = IPPROTO_TCP;
    out.body.id.idiag_sport = htons(near.port);
    out.body.id.idiag_dport = htons(far.port);
    put_ip(out.body.id.idiag_src, near.ip);
    put_ip(out.body.id.idiag_dst, far.ip);
    out.body.id.idiag_cookie[0] = INET_DIAG_NOCOOKIE;
    out.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    return out;
  }
  // The kernel falls back to a listener when the connection is gone, and shows TIME-WAIT sockets as owned by root.
  [[nodiscard]] bool answered_by(const inet_diag_msg& found) const {
    if (ntohs(found.id.idiag_sport) != near.port) return false;
    if (listening) return found.idiag_state == TCP_LISTEN;
    return holds_a_process(found.idiag_state) && ntohs(found.id.idiag_dport) == far.port &&
           ip_of(found.idiag_family, found.id.idiag_src) == near.ip &&
           ip_of(found.idiag_family, found.id.idiag_dst) == far.ip;
  }
};

Result<SocketOwner> SocketOwner::open() {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG));
  if (!fd) return socket_error("netlink socket for sock_diag", errno);
  // Errors come without the request that caused them.
  const int on = 1;
  setsockopt(fd.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  return SocketOwner(std::move(fd));
}

Result<SocketFacts> SocketOwner::client_of(const Ends& ends) {
  return ask({.near = ends.client, .far = ends.dialled});
}

Result<SocketFacts> SocketOwner::listener_at(const Address& where) {
  const IpAddress none = where.ip.is_v4() ? IpAddress() : IpAddress::v6({});
  return ask({.near = where, .far = {none, 0}, .listening = true});
}

Result<SocketFacts> SocketOwner::ask(const Question& question) {
  const Request request = question.request(++sequence_);
  if (::send(fd_.get(), &request, sizeof request, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) return socket_error("sock_diag", errno);
  alignas(nlmsghdr) std::array<char, kAnswerBytesMax> answer;
  for (int n = 0; n < kStaleAnswersMax; ++n) {
    const ssize_t size = ::recv(fd_.get(), answer.data(), answer.size(), MSG_DONTWAIT);
    if (size < 0) return socket_error("sock_diag", errno);
    nlmsghdr head;
    if (static_cast<std::size_t>(size) < sizeof head) return error(Code::Io, "sock_diag: an answer without a head");
    std::memcpy(&head, answer.data(), sizeof head);
    if (head.nlmsg_seq != sequence_) continue;
    const std::size_t length = std::min<std::size_t>(head.nlmsg_len, static_cast<std::size_t>(size));
    if (head.nlmsg_type == NLMSG_ERROR && length >= NLMSG_LENGTH(sizeof(int))) {
      int failure = 0;
      std::memcpy(&failure, answer.data() + NLMSG_HDRLEN, sizeof failure);
      if (failure == -ENOENT) return error(Code::NotFound, "there is no {} on this host", question.what());
      return socket_error("sock_diag", -failure);
    }
    inet_diag_msg found;
    if (head.nlmsg_type != SOCK_DIAG_BY_FAMILY || length < NLMSG_LENGTH(sizeof found))
      return error(Code::Io, "sock_diag: an answer of type {} and {} bytes", head.nlmsg_type, length);
    std::memcpy(&found, answer.data() + NLMSG_HDRLEN, sizeof found);
    if (!question.answered_by(found)) return error(Code::NotFound, "there is no {} on this host any more", question.what());
    const std::size_t before = NLMSG_LENGTH(NLMSG_ALIGN(sizeof found));
    return facts_of(found, answer.data() + std::min(before, length), length - std::min(before, length));
  }
  return error(Code::Io, "sock_diag: only answers to earlier questions");
}

}  // namespace mesh::net
