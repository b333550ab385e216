#include "daemon/steer/channel.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "daemon/steer/protocol.h"

namespace mesh::steer {

namespace {

constexpr std::size_t kControlBytes = CMSG_SPACE(kDescriptorsMax * sizeof(int));
constexpr std::size_t kReadBytes = 4096;

void take_descriptors(msghdr& message, std::vector<UniqueFd>& out) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t n = 0; n < count; ++n) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + n * sizeof fd, sizeof fd);
      out.emplace_back(fd);
    }
  }
}

}  // namespace

Status send_frame(int socket, ByteView bytes, std::span<const int> descriptors) {
  CHECK(!bytes.empty() && descriptors.size() <= kDescriptorsMax);
  alignas(cmsghdr) std::array<char, kControlBytes> control{};
  iovec piece{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (!descriptors.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(part), descriptors.data(), descriptors.size_bytes());
  }
  const ssize_t sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent < 0) return io_error("send", errno);
  if (static_cast<std::size_t>(sent) != bytes.size()) return error(Code::Overloaded, "the other side does not read");
  return {};
}

Result<Received> receive_some(int socket, Bytes& bytes, std::vector<UniqueFd>& descriptors) {
  std::array<char, kReadBytes> buffer;
  alignas(cmsghdr) std::array<char, kControlBytes> control;
  iovec piece{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t size = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (size < 0) {
    if (errno == EAGAIN || errno == EINTR) return Received::Nothing;
    return io_error("receive", errno);
  }
  take_descriptors(message, descriptors);
  if (size == 0) return Received::End;
  if ((message.msg_flags & MSG_CTRUNC) != 0 || descriptors.size() > kDescriptorsMax)
    return error(Code::Invalid, "more than {} descriptors", kDescriptorsMax);
  bytes.append(buffer.data(), static_cast<std::size_t>(size));
  return Received::Some;
}

}  // namespace mesh::steer
