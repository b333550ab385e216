#include "base/check.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "base/clock.h"

namespace mesh {
namespace {

constexpr std::uint64_t kReportsPerSecondMax = 10;

std::atomic<std::uint64_t> faults_total{0};
std::atomic<std::int64_t> report_second{0};
std::atomic<std::uint64_t> reports_in_second{0};

void print_to_stderr(const CheckSite& site, std::string_view message) {
  std::fprintf(stderr, "contained: %s:%d: %s: %.*s\n", site.file, site.line, site.condition,
               static_cast<int>(message.size()), message.data());
}

std::atomic<ContainSink> contain_sink{&print_to_stderr};

bool may_report() {
  const auto now = duration_cast<seconds>(mono_now().time_since_epoch()).count();
  if (report_second.exchange(now, std::memory_order_relaxed) != now)
    reports_in_second.store(0, std::memory_order_relaxed);
  return reports_in_second.fetch_add(1, std::memory_order_relaxed) < kReportsPerSecondMax;
}

}  // namespace

namespace check_detail {

void fail(const CheckSite& site, fmt::string_view format, fmt::format_args args) {
  const std::string message = fmt::vformat(format, args);
  std::fprintf(stderr, "fatal: %s:%d: CHECK(%s) failed%s%s\n", site.file, site.line, site.condition,
               message.empty() ? "" : ": ", message.c_str());
  std::fflush(stderr);
  std::abort();
}

void contained(const CheckSite& site, fmt::string_view format, fmt::format_args args) {
  faults_total.fetch_add(1, std::memory_order_relaxed);
  if (may_report()) contain_sink.load(std::memory_order_acquire)(site, fmt::vformat(format, args));
}

}  // namespace check_detail

std::uint64_t contained_faults_total() { return faults_total.load(std::memory_order_relaxed); }
void set_contain_sink(ContainSink sink) { contain_sink.store(sink, std::memory_order_release); }

}  // namespace mesh
