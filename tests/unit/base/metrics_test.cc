#include "base/metrics.h"

#include <atomic>

#include "base/thread.h"
#include "tests/test.h"

namespace mesh {
namespace {

bool has_line(const std::string& text, std::string_view line) {
  return ("\n" + text).find("\n" + std::string(line) + "\n") != std::string::npos;
}

TEST_CASE("the exposition has help, type and one line per series, sorted") {
  MetricRegistry registry;
  registry.counter({.name = "meshd_z_total", .help = "Last."}).add(3);
  const auto family = registry.counters({.name = "meshd_a_total", .help = "One\\two\nlines.", .labels = {"x", "y"}});
  family.with({"b", "1"}).add();
  family.with({"a", "quote\" slash\\ line\n"}).add(2);
  registry.gauge({.name = "meshd_level", .help = "Level."}).set(-0.5);
  const std::string text = registry.prometheus_text();
  EXPECT(text.starts_with("# HELP meshd_a_total One\\\\two\\nlines.\n"
                          "# TYPE meshd_a_total counter\n"
                          "meshd_a_total{x=\"a\",y=\"quote\\\" slash\\\\ line\\n\"} 2\n"
                          "meshd_a_total{x=\"b\",y=\"1\"} 1\n"
                          "# HELP meshd_level Level.\n"
                          "# TYPE meshd_level gauge\n"
                          "meshd_level -0.5\n"));
  EXPECT(text.ends_with("# TYPE meshd_z_total counter\nmeshd_z_total 3\n"));
}

TEST_CASE("a histogram counts each bound inclusively and cumulatively") {
  MetricRegistry registry;
  const Histogram latency = registry.histogram({.name = "meshd_wait_seconds", .help = "Wait."},
                                               {.bounds = {1'000'000, 2'000'000}, .raw_per_unit = 1e9});
  latency.observe(milliseconds(1));
  latency.observe(nanoseconds(1'000'001));
  latency.observe(seconds(-1));
  latency.observe(seconds(3));
  const std::string text = registry.prometheus_text();
  EXPECT(has_line(text, "meshd_wait_seconds_bucket{le=\"0.001\"} 2"));
  EXPECT(has_line(text, "meshd_wait_seconds_bucket{le=\"0.002\"} 3"));
  EXPECT(has_line(text, "meshd_wait_seconds_bucket{le=\"+Inf\"} 4"));
  EXPECT(has_line(text, "meshd_wait_seconds_sum 3.002000001"));
  EXPECT(has_line(text, "meshd_wait_seconds_count 4"));
}

TEST_CASE("label values beyond the bound share one series and are counted") {
  MetricRegistry registry;
  const auto family =
      registry.counters({.name = "meshd_r_total", .help = "R.", .labels = {"service"}, .series_max = 2});
  family.with({"a"}).add();
  family.with({"b"}).add();
  family.with({"c"}).add(10);
  family.with({"d"}).add(10);
  family.with({"a"}).add();
  const std::string text = registry.prometheus_text();
  EXPECT(has_line(text, "meshd_r_total{service=\"a\"} 2"));
  EXPECT(has_line(text, "meshd_r_total{service=\"other\"} 20"));
  EXPECT(text.find("service=\"c\"") == std::string::npos);
  EXPECT(has_line(text, "meshd_metric_series_overflow_total{metric=\"meshd_r_total\"} 2"));
}

TEST_CASE("a removed series makes room and its successor starts at zero") {
  MetricRegistry registry;
  const auto family = registry.histograms(
      {.name = "meshd_h_bytes", .help = "H.", .labels = {"s"}, .series_max = 1}, HistogramScale::bytes());
  family.with({"old"}).observe(std::uint64_t{70});
  EXPECT(family.remove({"old"}));
  EXPECT_FALSE(family.remove({"old"}));
  family.with({"new"}).observe(std::uint64_t{1});
  const std::string text = registry.prometheus_text();
  EXPECT(has_line(text, "meshd_h_bytes_count{s=\"new\"} 1"));
  EXPECT(has_line(text, "meshd_h_bytes_sum{s=\"new\"} 1"));
  EXPECT(text.find("old") == std::string::npos);
}

TEST_CASE("label values are cut at a character and made valid UTF-8") {
  MetricRegistry registry;
  const auto family = registry.gauges({.name = "meshd_g", .help = "G.", .labels = {"v"}});
  family.with({"\xff!"}).set(1);
  family.with({std::string(kLabelValueBytesMax - 1, 'x') + "\xc3\xbc"}).set(2);
  const std::string text = registry.prometheus_text();
  EXPECT(has_line(text, "meshd_g{v=\"\xef\xbf\xbd!\"} 1"));
  EXPECT(has_line(text, "meshd_g{v=\"" + std::string(kLabelValueBytesMax - 1, 'x') + "\"} 2"));
}

TEST_CASE("the same name gives the same metric, and functions are read at each exposition") {
  MetricRegistry registry;
  registry.counter({.name = "meshd_same_total", .help = "S."}).add(1);
  registry.counter({.name = "meshd_same_total", .help = "S."}).add(1);
  double level = 1;
  registry.gauge_function({.name = "meshd_level", .help = "L."}, [&] { return level; });
  EXPECT(has_line(registry.prometheus_text(), "meshd_same_total 2"));
  level = 2.5;
  EXPECT(has_line(registry.prometheus_text(), "meshd_level 2.5"));
}

TEST_CASE("a handle without a registry counts nowhere") {
  Counter().add();
  Gauge().set(1);
  Histogram().observe(seconds(1));
  CounterFamily().with({"x"}).add();
}

TEST_CASE("threads count without loss while a reader reads, and readings never go back") {
  constexpr int kThreads = 4, kRounds = 3;
  constexpr std::uint64_t kAdds = 20'000;
  MetricRegistry registry;
  const Counter counter = registry.counter({.name = "meshd_n_total", .help = "N."});
  const Histogram histogram =
      registry.histogram({.name = "meshd_h_seconds", .help = "H."}, HistogramScale::latency());
  std::atomic<bool> stop{false};
  bool monotonic = true;
  Thread reader("reader", [&] {
    std::uint64_t before = 0;
    while (!stop.load()) {
      const std::string text = registry.prometheus_text();
      const std::uint64_t now = std::stoull(text.substr(text.find("\nmeshd_n_total ") + 15));
      monotonic &= now >= before;
      before = now;
    }
  });
  for (int round = 0; round < kRounds; ++round) {  // later rounds take over the cells of ended threads
    std::vector<Thread> writers;
    for (int t = 0; t < kThreads; ++t)
      writers.emplace_back("writer", [&] {
        for (std::uint64_t i = 0; i < kAdds; ++i) {
          counter.add();
          histogram.observe(microseconds(i));
        }
      });
  }
  stop.store(true);
  reader.join();
  EXPECT(monotonic);
  const std::string text = registry.prometheus_text();
  EXPECT(has_line(text, fmt::format("meshd_n_total {}", kThreads * kRounds * kAdds)));
  EXPECT(has_line(text, fmt::format("meshd_h_seconds_count {}", kThreads * kRounds * kAdds)));
}

TEST_CASE("a thread that outlives a registry, or uses two, mixes nothing up") {
  MetricRegistry kept;
  const Counter kept_counter = kept.counter({.name = "meshd_kept_total", .help = "K."});
  for (int i = 0; i < 3; ++i) {
    MetricRegistry passing;
    const Counter passing_counter = passing.counter({.name = "meshd_passing_total", .help = "P."});
    passing_counter.add(5);
    kept_counter.add();
    passing_counter.add(5);
    EXPECT(has_line(passing.prometheus_text(), "meshd_passing_total 10"));
  }
  EXPECT(has_line(kept.prometheus_text(), "meshd_kept_total 3"));
}

}  // namespace
}  // namespace mesh
