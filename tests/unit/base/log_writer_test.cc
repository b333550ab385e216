#include "base/log_writer.h"

#include "tests/test.h"

#include <fcntl.h>
#include <unistd.h>

namespace mesh {
namespace {

class Pipe {
 public:
  Pipe() { REQUIRE_EQ(pipe2(ends_, O_CLOEXEC), 0); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    close_reader();
    close_writer();
  }
  [[nodiscard]] int writer() const { return ends_[1]; }
  void shrink() { REQUIRE_GE(fcntl(ends_[1], F_SETPIPE_SZ, 4096), 4096); }  // to one page
  void close_reader() {
    if (ends_[0] >= 0) close(ends_[0]);
    ends_[0] = -1;
  }
  void close_writer() {
    if (ends_[1] >= 0) close(ends_[1]);
    ends_[1] = -1;
  }
  // Everything until the writer's end is closed.
  std::string read_all() {
    close_writer();
    std::string out(1 << 20, '\0');
    std::size_t size = 0;
    for (ssize_t n = 1; n > 0; size += n > 0 ? static_cast<std::size_t>(n) : 0)
      n = read(ends_[0], out.data() + size, out.size() - size);
    out.resize(size);
    return out;
  }

 private:
  int ends_[2] = {-1, -1};
};

TEST_CASE("a log writer writes every line before it ends, in order") {
  Pipe pipe;
  {
    const LogWriter writer({.fd = pipe.writer()});
    LOG_INFO("first");
    LOG_INFO("second", {"n", 2});
  }
  EXPECT_EQ(pipe.read_all(), "<6>first\n<6>second n=2\n");
}

TEST_CASE("a reader that does not read holds up nobody; what it misses is counted") {
  Pipe pipe;
  pipe.shrink();
  const std::uint64_t dropped_before = log_counts().dropped_total;
  const std::string line(1000, 'x');
  {
    LogWriter writer({.fd = pipe.writer(), .lines_max = 10, .drain_max = Duration(0)});
    for (int i = 0; i < 100; ++i) writer.write(LogLevel::Info, line);
  }
  const std::string got = pipe.read_all();
  const std::uint64_t lines = static_cast<std::uint64_t>(std::count(got.begin(), got.end(), '\n'));
  EXPECT_LE(got.size(), std::size_t{4096});
  EXPECT_EQ(lines + (log_counts().dropped_total - dropped_before), std::uint64_t{100});
}

TEST_CASE("a log whose reader has gone loses lines, not the process") {
  Pipe pipe;
  pipe.close_reader();
  const std::uint64_t dropped_before = log_counts().dropped_total;
  {
    LogWriter writer({.fd = pipe.writer()});
    writer.write(LogLevel::Info, "nowhere");
  }
  EXPECT_EQ(log_counts().dropped_total, dropped_before + 1);
}

}  // namespace
}  // namespace mesh
