// The `openssl` program as the other side of a test: its input and output are one stream of the test's loop.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "tests/unit/net/net_fixture.h"

extern char** environ;

namespace mesh::net {

class OpensslProcess {
 public:
  OpensslProcess(Loop& loop, std::vector<std::string> arguments) {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (int fd = 0; fd <= 2; ++fd) posix_spawn_file_actions_adddup2(&actions, ends[1], fd);
    arguments.insert(arguments.begin(), "openssl");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const int code = posix_spawnp(&pid_, "openssl", &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    INFO("the package openssl is needed (scripts/packages)");
    REQUIRE(code == 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    auto adopted = Stream::adopt(loop, ends[0]);
    REQUIRE(adopted.ok());
    stream = std::move(*adopted);
    stream->set_observer(&at);
    stream->resume_reading();
  }
  ~OpensslProcess() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  OpensslProcess(const OpensslProcess&) = delete;
  OpensslProcess& operator=(const OpensslProcess&) = delete;

  // All that it says until it ends; its exit status.
  int finish(Loop& loop) {
    stream->shutdown_write();
    REQUIRE(wait_for(loop, [this] { return at.ended || at.failure; }));
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  [[nodiscard]] bool said(std::string_view text) const { return at.received.find(text) != Bytes::npos; }

  RecordingObserver at;
  std::unique_ptr<Stream> stream;

 private:
  pid_t pid_ = -1;
};

// Texts as files, for its command line.
struct OpensslFiles {
  OpensslFiles() : dir(std::move(TempDir::make("openssl-test")).value()) {}
  std::string put(const std::string& name, ByteView text) {
    const std::string path = dir.path() + "/" + name;
    REQUIRE(write_file_atomic(path, text).ok());
    return path;
  }
  TempDir dir;
};

}  // namespace mesh::net
