// LogWriter: while it lives, log lines go through a queue to a thread that writes them, so that whoever reads our stderr
// (a paused terminal, a hung journal) can hold up that thread but no loop. Lines that find the queue full are dropped and
// counted (LogCounts::dropped_total), and a line says how many, once there is room.
//
// A failed CHECK ends the process at once: lines that still wait in the queue are lost, its own message is not.
//
// Threads: write() from any; construction and destruction by the owner, before the threads that log start and after they
// are joined. Ownership: the descriptor is borrowed.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/mailbox.h"
#include "base/thread.h"
#include "base/time.h"

namespace mesh {

struct LogWriterOptions {
  int fd = 2;
  std::size_t lines_max = 1024;      // in the queue; of at most kLogLineBytesMax each
  Duration drain_max = seconds(1);   // how long the end may wait for a reader that has stopped reading
};

class LogWriter final : public LogSink {
 public:
  // Becomes the sink of the process's log.
  explicit LogWriter(const LogWriterOptions& options = {});
  // Writes what waits, for at most drain_max, then puts back the sink there was.
  ~LogWriter() override;
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  void write(LogLevel level, std::string_view line) override;

 private:
  void run();
  void put(std::string_view text);
  [[nodiscard]] bool wait_writable();
  void tell_dropped();

  const LogWriterOptions options_;
  Mailbox<std::string> lines_;
  MonoTime give_up_at_ = kNever;    // set before lines_ is closed, read by the thread after
  std::uint64_t dropped_told_ = 0;  // of LogCounts::dropped_total; the thread's
  LogSink* before_ = nullptr;
  Thread thread_;  // last: it uses the others
};

}  // namespace mesh
