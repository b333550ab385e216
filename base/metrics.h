// Metrics: counters, gauges and histograms of one process part, read as Prometheus text.
//
//   MetricRegistry registry;                                     // one per daemon, owned by daemon/; no global one
//   Counter accepted = registry.counter({.name = "meshd_proxy_accepted_total", .help = "Connections accepted."});
//   CounterFamily errors = registry.counters({.name = "meshd_proxy_errors_total", .help = "...", .labels = {"service"}});
//   Counter web_errors = errors.with({"web"});                   // once, at set-up; keep the handle
//   accepted.add();                                              // on the hot path: about two loads and a store
//
// How it counts: each thread has cells of its own, so that counting takes no lock and no atomic read-modify-write, and no
// cache line is shared between writers. Reading adds up the cells of all threads without stopping them; a reading is
// therefore not one instant over all metrics, but no counter ever goes backwards. Cells of an ended thread keep their counts
// and pass to the next new thread. Sketch: 8 bytes per counter and thread that uses it, in blocks of 4 KiB.
//
// Threads: everything from any thread. Making metrics, with() and remove() lock; handles do not. Ownership: handles and
// families are small copyable references; the registry outlives them. A default-made handle counts nowhere, for tests and
// tools that have no registry.
//
// Labels are bounded: a family holds at most series_max series; values beyond it count in one series whose labels are all
// "other", and meshd_metric_series_overflow_total{metric=NAME} tells how often. Label values are cut at kLabelValueBytesMax
// and made valid UTF-8. No label value comes from an unauthenticated peer.
//
// To add a metric: name it by Prometheus' conventions (meshd_ prefix, base unit last, _total for counters); grammar errors
// and one name with two meanings are CHECK failures.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace mesh {

inline constexpr std::size_t kSeriesMaxDefault = 500;         // per family, "other" apart
inline constexpr std::size_t kLabelValueBytesMax = 128;
inline constexpr std::size_t kMetricCellsMax = 512 * 1024;    // per registry; a counter takes 1, a histogram bounds + 2

struct MetricOptions {
  std::string name;
  std::string help;
  std::vector<std::string> labels = {};
  std::size_t series_max = kSeriesMaxDefault;
};

// Upper bounds (inclusive, ascending) of a histogram in raw integers, and how many raw units make an exported one.
struct HistogramScale {
  std::vector<std::uint64_t> bounds;
  double raw_per_unit = 1.0;

  [[nodiscard]] static HistogramScale latency();  // raw nanoseconds, exported seconds, 50 us to 10 s
  [[nodiscard]] static HistogramScale bytes();    // 64 B to 16 MiB
};

namespace metric_detail {
class Cells;
class Family;
}  // namespace metric_detail

// A number that only grows.
class Counter {
 public:
  Counter() = default;
  void add(std::uint64_t n = 1) const;

 private:
  friend class metric_detail::Family;
  metric_detail::Cells* cells_ = nullptr;
  std::uint32_t cell_ = 0;
};

// A number that is set. One atomic for all threads: for levels that change seldom, not for the hot path.
class Gauge {
 public:
  Gauge() = default;
  void set(double value) const;
  void add(double delta) const;

 private:
  friend class metric_detail::Family;
  std::atomic<double>* value_ = nullptr;
};

// How often values fell between bounds.
class Histogram {
 public:
  Histogram() = default;
  void observe(std::uint64_t raw) const;
  void observe(Duration d) const;  // REQUIRES a scale in nanoseconds; negative counts as 0

 private:
  friend class metric_detail::Family;
  metric_detail::Cells* cells_ = nullptr;
  const HistogramScale* scale_ = nullptr;
  std::uint32_t first_cell_ = 0;  // a cell per bound, one above the last, then the sum
};

// The series of one name, told apart by label values.
template <class Handle>
class MetricFamily {
 public:
  MetricFamily() = default;  // its handles count nowhere

  // One value per label, in the order of MetricOptions::labels.
  [[nodiscard]] Handle with(std::initializer_list<std::string_view> values) const;
  // Forgets a series, so that its place can be used again; false if there is none. REQUIRES its handles no longer used.
  bool remove(std::initializer_list<std::string_view> values) const;

 private:
  friend class MetricRegistry;
  explicit MetricFamily(metric_detail::Family* family) : family_(family) {}
  metric_detail::Family* family_ = nullptr;
};
using CounterFamily = MetricFamily<Counter>;
using GaugeFamily = MetricFamily<Gauge>;
using HistogramFamily = MetricFamily<Histogram>;

class MetricRegistry {
 public:
  MetricRegistry();
  MetricRegistry(const MetricRegistry&) = delete;
  MetricRegistry& operator=(const MetricRegistry&) = delete;
  ~MetricRegistry();

  // The same name with the same kind and labels gives the same metric again.
  [[nodiscard]] Counter counter(MetricOptions options);
  [[nodiscard]] Gauge gauge(MetricOptions options);
  [[nodiscard]] Histogram histogram(MetricOptions options, HistogramScale scale);
  [[nodiscard]] CounterFamily counters(MetricOptions options);
  [[nodiscard]] GaugeFamily gauges(MetricOptions options);
  [[nodiscard]] HistogramFamily histograms(MetricOptions options, HistogramScale scale);

  // A value that exists elsewhere and is asked for at each reading, on the reading thread. read must not use this registry,
  // and what it uses must outlive the registry or be removed before by set-up order.
  void counter_function(MetricOptions options, std::function<double()> read);
  void gauge_function(MetricOptions options, std::function<double()> read);

  // Everything in the Prometheus text exposition format 0.0.4 (content type text/plain; version=0.0.4), sorted by name and
  // label values. Costs about a microsecond per series: on the API loop, never on a data loop.
  [[nodiscard]] std::string prometheus_text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mesh
