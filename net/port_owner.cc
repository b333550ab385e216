#include "net/port_owner.h"

#include <fmt/core.h>

#include <charconv>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <vector>

namespace mesh::net {

namespace {

constexpr std::size_t kSocketLinesMax = 1'000'000;
constexpr unsigned kTcpListen = 0x0a;

struct SocketLine {
  Address local;
  unsigned state = 0;
  std::uint32_t uid = 0;
  std::uint64_t inode = 0;
};

template <class Int>
bool parse_number(std::string_view text, Int& out, int base) {
  const char* end = text.data() + text.size();
  auto [stop, failure] = std::from_chars(text.data(), end, out, base);
  return failure == std::errc{} && stop == end;
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (std::size_t at = line.find_first_not_of(' '); at != line.npos;) {
    const std::size_t end = std::min(line.find(' ', at), line.size());
    words.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(' ', end);
  }
  return words;
}

// The kernel prints an address as 32-bit words of the machine's byte order.
bool parse_hex_address(std::string_view text, Address& out) {
  const auto colon = text.find(':');
  if (colon != 8 && colon != 32) return false;
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t word = 0; word * 8 < colon; ++word) {
    std::uint32_t value = 0;
    if (!parse_number(text.substr(word * 8, 8), value, 16)) return false;
    std::memcpy(bytes.data() + word * 4, &value, 4);
  }
  if (!parse_number(text.substr(colon + 1), out.port, 16)) return false;
  out.ip = colon == 32 ? IpAddress::v6(bytes)
                       : IpAddress::v4((std::uint32_t{bytes[0]} << 24) | (std::uint32_t{bytes[1]} << 16) |
                                       (std::uint32_t{bytes[2]} << 8) | bytes[3]);
  return true;
}

// proc(5): sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode ...
bool parse_line(const std::string& line, SocketLine& out) {
  const auto words = words_of(line);
  return words.size() >= 10 && parse_hex_address(words[1], out.local) && parse_number(words[3], out.state, 16) &&
         parse_number(words[7], out.uid, 10) && parse_number(words[9], out.inode, 10);
}

bool in_the_way(const Address& held, const Address& wanted) {
  return held.port == wanted.port && (held.ip == wanted.ip || held.ip.is_any() || wanted.ip.is_any());
}

std::optional<SocketLine> find_socket(PortProtocol protocol, const Address& where) {
  const bool tcp = protocol == PortProtocol::Tcp;
  for (const char* table : {tcp ? "/proc/net/tcp" : "/proc/net/udp", tcp ? "/proc/net/tcp6" : "/proc/net/udp6"}) {
    std::ifstream in(table);
    std::string line;
    for (std::size_t n = 0; n < kSocketLinesMax && std::getline(in, line); ++n) {
      SocketLine socket;
      if (!parse_line(line, socket) || (tcp && socket.state != kTcpListen)) continue;
      if (in_the_way(socket.local, where)) return socket;
    }
  }
  return std::nullopt;
}

bool holds(const std::filesystem::path& process, const std::string& link) {
  std::error_code failure;
  for (std::filesystem::directory_iterator fd(process / "fd", failure), end; !failure && fd != end;
       fd.increment(failure)) {
    std::error_code unreadable;
    if (std::filesystem::read_symlink(fd->path(), unreadable) == link) return true;
  }
  return false;
}

std::optional<std::string> find_process(std::uint64_t inode) {
  const std::string link = fmt::format("socket:[{}]", inode);
  std::error_code failure;
  for (std::filesystem::directory_iterator entry("/proc", failure), end; !failure && entry != end;
       entry.increment(failure)) {
    const std::string pid = entry->path().filename().string();
    if (pid.find_first_not_of("0123456789") != pid.npos || !holds(entry->path(), link)) continue;
    std::ifstream in(entry->path() / "comm");
    std::string name;
    std::getline(in, name);
    return fmt::format("{} (pid {})", name.empty() ? "a process" : name, pid);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> port_owner(PortProtocol protocol, const Address& where) {
  const auto socket = find_socket(protocol, where);
  if (!socket) return std::nullopt;
  if (auto process = find_process(socket->inode)) return process;
  return fmt::format("a process of uid {}", socket->uid);
}

}  // namespace mesh::net
