#include "daemon/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>

#include "base/check.h"
#include "base/log.h"
#include "net/tls/handshake.h"

namespace mesh::daemon {
namespace {

// Second number of /proc/self/statm, in pages; 0 if it cannot be read.
double resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  unsigned long size = 0, resident = 0;
  const int read = std::fscanf(file, "%lu %lu", &size, &resident);
  std::fclose(file);
  return read == 2 ? static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) : 0;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds_of = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
}

}  // namespace

void register_process_metrics(MetricRegistry& metrics) {
  metrics.counter_function({"meshd_log_lines_total", "Lines written to the log"},
                           [] { return static_cast<double>(log_counts().lines_total); });
  metrics.counter_function({"meshd_log_suppressed_total", "Log lines held back by the limit of their place"},
                           [] { return static_cast<double>(log_counts().suppressed_total); });
  metrics.counter_function({"meshd_log_dropped_total", "Log lines dropped because nobody read the log in time"},
                           [] { return static_cast<double>(log_counts().dropped_total); });
  metrics.counter_function({"meshd_contained_faults_total", "Faults caused by peers that ended one connection or message"},
                           [] { return static_cast<double>(contained_faults_total()); });
  metrics.gauge_function({"process_resident_memory_bytes", "Resident memory"}, resident_bytes);
  metrics.counter_function({"process_cpu_seconds_total", "User and system CPU time"}, cpu_seconds);
}

void register_tls_metrics(MetricRegistry& metrics, const net::HandshakePool& pool, std::string_view purpose) {
  const auto name = [purpose](std::string_view what) { return fmt::format("meshd_{}_tls_{}", purpose, what); };
  metrics.gauge_function({name("handshakes_open"), "TLS handshakes that have begun and not ended"},
                         [&pool] { return static_cast<double>(pool.sessions()); });
  metrics.gauge_function({name("handshakes_waiting"), "TLS handshakes that have not begun: no thread has time for them yet"},
                         [&pool] { return static_cast<double>(pool.waiting()); });
  metrics.gauge_function({name("steps_queued"), "Steps of begun TLS handshakes that wait for a thread"},
                         [&pool] { return static_cast<double>(pool.queued()); });
  metrics.counter_function({name("handshakes_refused_total"), "TLS handshakes refused to make room for others"},
                           [&pool] { return static_cast<double>(pool.refused_total()); });
  metrics.counter_function({name("handshakes_dropped_total"), "TLS handshakes dropped because they waited for a thread for too long"},
                           [&pool] { return static_cast<double>(pool.dropped_total()); });
}

}  // namespace mesh::daemon
