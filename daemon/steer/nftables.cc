#include "daemon/steer/nftables.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include <fmt/core.h>

#include "base/fd.h"

namespace mesh::steer {

namespace {

constexpr std::size_t kOutputBytesMax = 2000;
constexpr const char* kNft = "/usr/sbin/nft";

// The text may be cut at kOutputBytesMax.
struct NftOutcome {
  int status = -1;
  std::string output{};
};

void read_output(int fd, std::string& out) {
  std::array<char, 512> buffer;
  for (ssize_t size = 0; (size = ::read(fd, buffer.data(), buffer.size())) > 0;)
    if (out.size() < kOutputBytesMax) out.append(buffer.data(), static_cast<std::size_t>(size));
}

Result<NftOutcome> run_nft(std::vector<std::string> words, const std::string& input) {
  int to[2];
  int from[2];
  if (pipe2(to, O_CLOEXEC) != 0) return io_error("pipe", errno);
  UniqueFd to_read(to[0]);
  UniqueFd to_write(to[1]);
  if (pipe2(from, O_CLOEXEC) != 0) return io_error("pipe", errno);
  const UniqueFd from_read(from[0]);
  UniqueFd from_write(from[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to_read.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, from_write.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, from_write.get(), STDERR_FILENO);
  std::vector<char*> arguments{const_cast<char*>(kNft)};
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  std::string language = "LC_ALL=C";
  char* environment[] = {language.data(), nullptr};
  pid_t child = -1;
  const int failure = posix_spawn(&child, kNft, &actions, nullptr, arguments.data(), environment);
  posix_spawn_file_actions_destroy(&actions);
  if (failure == ENOENT) return error(Code::NotFound, "there is no {}", kNft);
  if (failure != 0) return io_error(kNft, failure);
  to_read.reset();
  from_write.reset();
  // A ruleset is far smaller than a pipe's buffer: this does not wait for nft.
  const bool written = ::write(to_write.get(), input.data(), input.size()) == static_cast<ssize_t>(input.size());
  to_write.reset();
  NftOutcome outcome;
  read_output(from_read.get(), outcome.output);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  outcome.status = WIFEXITED(status) && written ? WEXITSTATUS(status) : -1;
  return outcome;
}

Status failure_of(const NftOutcome& outcome) {
  if (outcome.status == 0) return {};
  const bool denied = outcome.output.find("not permitted") != std::string::npos;
  std::string text = outcome.output.substr(0, outcome.output.find('\n'));
  return error(denied ? Code::Denied : Code::Io, "nft: {}", text.empty() ? "failed" : text);
}

std::string dnat_to_listeners(const std::vector<std::uint16_t>& ports) {
  if (ports.size() == 1) return fmt::format("    ip daddr 127.128.0.0/10 ip protocol tcp dnat to 127.0.0.1:{}\n", ports.front());
  std::string map;
  for (std::size_t n = 0; n < ports.size(); ++n) map += fmt::format("{}{} : {}", n == 0 ? "" : ", ", n, ports[n]);
  return fmt::format("    ip daddr 127.128.0.0/10 ip protocol tcp dnat to 127.0.0.1:jhash tcp sport mod {} map {{ {} }}\n",
                     ports.size(), map);
}

}  // namespace

std::string nft_rules(const RedirectPorts& ports) {
  // A table must exist to be deleted: made first, in the same transaction.
  std::string out = fmt::format("table ip {0}\ndelete table ip {0}\ntable ip {0} {{\n", kNftTable);
  out += "  chain to_agent {\n    type nat hook output priority -100;\n";
  if (ports.dns_udp) out += fmt::format("    ip daddr 127.128.0.53 udp dport 53 dnat to 127.0.0.1:{}\n", *ports.dns_udp);
  if (ports.dns_tcp) out += fmt::format("    ip daddr 127.128.0.53 tcp dport 53 dnat to 127.0.0.1:{}\n", *ports.dns_tcp);
  if (!ports.listeners.empty()) out += dnat_to_listeners(ports.listeners);
  out += "  }\n  chain rest {\n    type filter hook output priority 0;\n";
  out += "    ip daddr 127.128.0.0/10 ip protocol tcp reject with tcp reset\n";
  out += "    ip daddr 127.128.0.53 udp dport 53 reject\n";
  return out + "  }\n}\n";
}

Status nft_apply(const RedirectPorts& ports) {
  MESH_TRY(outcome, run_nft({"-f", "-"}, nft_rules(ports)));
  return failure_of(outcome);
}

Status nft_remove() {
  const auto outcome = run_nft({"-f", "-"}, fmt::format("table ip {0}\ndelete table ip {0}\n", kNftTable));
  if (!outcome.ok()) return outcome.error().code == Code::NotFound ? Status() : Status(outcome.error());
  return failure_of(*outcome);
}

bool nft_present() {
  const auto outcome = run_nft({"list", "table", "ip", std::string(kNftTable)}, "");
  return outcome.ok() && outcome->status == 0;
}

}  // namespace mesh::steer
