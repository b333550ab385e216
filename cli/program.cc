#include "cli/program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/fd.h"

extern char** environ;

namespace mesh::cli {
namespace {

constexpr std::string_view kDaemonPlaces[] = {"../sbin/meshd", "meshd", "../daemon/meshd"};  // from this program's folder

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return io_error("while making a pipe", errno);
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<pid_t> spawn(const std::string& path, const std::vector<std::string>& words, int out, int err) {
  std::vector<char*> arguments{const_cast<char*>(path.c_str())};
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
  pid_t pid = -1;
  const int fault = posix_spawn(&pid, path.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (fault == ENOENT) return error(Code::NotFound, "there is no program {}", path);
  if (fault != 0) return io_error(fmt::format("while starting {}", path), fault);
  return pid;
}

// Reads what is there; false at the end.
bool take(int descriptor, std::string& into) {
  char buffer[4096];
  const ssize_t size = read(descriptor, buffer, sizeof buffer);
  if (size < 0) return errno == EINTR;
  if (size > 0 && into.size() < kProgramOutputMax) into.append(buffer, static_cast<std::size_t>(size));
  return size > 0;
}

// Shows each whole line but the last one, which is what became of it all.
class Relay {
 public:
  void show(std::string_view text) {
    for (std::size_t end = text.find('\n', from_); end != std::string_view::npos && end + 1 < text.size(); end = text.find('\n', from_)) {
      std::fwrite(text.data() + from_, 1, end + 1 - from_, stderr);
      from_ = end + 1;
    }
  }
  [[nodiscard]] std::string_view rest(std::string_view text) const { return text.substr(from_); }

 private:
  std::size_t from_ = 0;
};

void collect(const Pipe& out, const Pipe& err, ProgramOutput& output, Relay* relay) {
  pollfd waiting[] = {{out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}};
  std::string* into[] = {&output.out, &output.err};
  while (waiting[0].fd >= 0 || waiting[1].fd >= 0) {
    if (poll(waiting, 2, -1) < 0 && errno != EINTR) return;
    for (int i = 0; i < 2; ++i)
      if (waiting[i].revents != 0 && !take(waiting[i].fd, *into[i])) waiting[i].fd = -1;
    if (relay != nullptr) relay->show(output.err);
  }
}

int wait_for(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// "meshd: what went wrong" of the last line that has it.
std::string complaint_of(const std::string& err) {
  constexpr std::string_view kPrefix = "meshd: ";
  const auto begin = err.rfind(kPrefix);
  std::string text = begin == std::string::npos ? err : err.substr(begin + kPrefix.size());
  while (text.ends_with('\n')) text.pop_back();
  return text.empty() ? "meshd ended without a word" : text;
}

Result<ProgramOutput> run(const std::string& path, const std::vector<std::string>& words, Relay* relay) {
  MESH_TRY(out, make_pipe());
  MESH_TRY(err, make_pipe());
  MESH_TRY(pid, spawn(path, words, out.write.get(), err.write.get()));
  out.write.reset();
  err.write.reset();
  ProgramOutput output;
  collect(out, err, output, relay);
  output.exit_status = wait_for(pid);
  return output;
}

}  // namespace

Result<ProgramOutput> run_program(const std::string& path, const std::vector<std::string>& words) { return run(path, words, nullptr); }

Result<std::string> find_daemon() {
  char own[4096];
  const ssize_t size = readlink("/proc/self/exe", own, sizeof own);
  if (size <= 0) return io_error("while looking for this program's folder", errno);
  const std::string_view path(own, static_cast<std::size_t>(size));
  const std::string folder(path.substr(0, path.rfind('/')));
  for (const std::string_view place : kDaemonPlaces) {
    const std::string candidate = fmt::format("{}/{}", folder, place);
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return error(Code::NotFound, "meshd is not installed beside {}", path);
}

Result<std::string> run_daemon(const std::vector<std::string>& words) {
  MESH_TRY(daemon, find_daemon());
  Relay relay;
  MESH_TRY(output, run(daemon, words, &relay));
  if (output.exit_status == 0) {
    std::fputs(std::string(relay.rest(output.err)).c_str(), stderr);
    return std::move(output.out);
  }
  return error(output.exit_status == 2 ? Code::Invalid : Code::Internal, "{}", complaint_of(std::string(relay.rest(output.err))));
}

}  // namespace mesh::cli
