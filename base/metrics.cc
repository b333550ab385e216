#include "base/metrics.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <iterator>
#include <map>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "base/metric_cells.h"
#include "base/utf8.h"

namespace mesh {
namespace metric_detail {
namespace {

using LabelValues = std::vector<std::string>;

constexpr std::string_view kOther = "other";

enum class Kind : std::uint8_t { Counter, Gauge, Histogram };

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::Counter: return "counter";
    case Kind::Gauge: return "gauge";
    case Kind::Histogram: return "histogram";
  }
  return "untyped";
}

// [a-zA-Z_:][a-zA-Z0-9_:]*, labels without the colon (Prometheus data model).
bool is_metric_word(std::string_view word, bool colon_allowed) {
  const auto fits = [colon_allowed](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon_allowed && c == ':');
  };
  if (word.empty() || !fits(word.front())) return false;
  return std::all_of(word.begin(), word.end(), [&](char c) { return fits(c) || (c >= '0' && c <= '9'); });
}

void check_options(const MetricOptions& options, Kind kind) {
  CHECK(is_metric_word(options.name, true), "metric name \"{}\"", options.name);
  CHECK(options.name.ends_with("_total") == (kind == Kind::Counter), "{}: counters, and they alone, end in _total",
        options.name);
  for (const std::string& label : options.labels)
    CHECK(is_metric_word(label, false) && label != "le", "{}: label \"{}\"", options.name, label);
}

// At most kLabelValueBytesMax bytes of valid UTF-8.
std::string clean_label_value(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const std::string_view next = length == 0 ? std::string_view("\xef\xbf\xbd") : text.substr(0, length);
    if (out.size() + next.size() > kLabelValueBytesMax) break;
    out += next;
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (char c : text) {
    if (c == '\\') out += "\\\\";
    else if (c == '\n') out += "\\n";
    else if (c == '"' && quotes) out += "\\\"";
    else out.push_back(c);
  }
}

void append_number(std::string& out, double value) {
  if (std::isnan(value)) out += "NaN";
  else if (std::isinf(value)) out += value > 0 ? "+Inf" : "-Inf";
  else fmt::format_to(std::back_inserter(out), "{}", value);
}

struct Series {
  std::uint32_t first_cell = 0;
  std::vector<std::uint64_t> baseline;  // what the cells held when a removed series' place was taken over; empty: zeros
  std::atomic<double>* gauge = nullptr;
};

}  // namespace

class Family {
 public:
  Family(Kind kind, MetricOptions options, HistogramScale scale, std::shared_ptr<Cells> cells)
      : kind_(kind), options_(std::move(options)), scale_(std::move(scale)), cells_(std::move(cells)) {
    check_options(options_, kind);
    CHECK(std::is_sorted(scale_.bounds.begin(), scale_.bounds.end()));
  }

  [[nodiscard]] bool same_as(Kind kind, const MetricOptions& options) const {
    return kind_ == kind && options_.labels == options.labels;
  }
  void count_overflow_in(Counter counter) { overflow_ = counter; }
  void read_from(std::function<double()> read) { read_ = std::move(read); }

  template <class Handle>
  [[nodiscard]] Handle with(std::initializer_list<std::string_view> values);
  bool remove(std::initializer_list<std::string_view> values);

  void write_to(std::string& out) const;

 private:
  [[nodiscard]] LabelValues key_of(std::initializer_list<std::string_view> values) const;
  Series& find_or_make(std::initializer_list<std::string_view> values);
  [[nodiscard]] Series make_series();
  [[nodiscard]] std::uint32_t cells_per_series() const;
  [[nodiscard]] std::uint64_t value_of(const Series& series, std::uint32_t offset) const;
  void fill(Counter& handle, const Series& series) const;
  void fill(Gauge& handle, const Series& series) const;
  void fill(Histogram& handle, const Series& series) const;

  void append_name(std::string& out, std::string_view suffix, const LabelValues& values, std::string_view le) const;
  void write_series(std::string& out, const LabelValues& values, const Series& series) const;
  void write_histogram(std::string& out, const LabelValues& values, const Series& series) const;

  const Kind kind_;
  const MetricOptions options_;
  const HistogramScale scale_;
  const std::shared_ptr<Cells> cells_;
  Counter overflow_;
  std::function<double()> read_;

  mutable std::mutex mutex_;
  std::map<LabelValues, Series> series_;     // guarded by mutex_
  std::vector<Series> removed_;              // guarded by mutex_
  std::deque<std::atomic<double>> gauges_;   // guarded by mutex_ (the list; the values are atomic)
};

template <class Handle>
Handle Family::with(std::initializer_list<std::string_view> values) {
  const std::lock_guard lock(mutex_);
  Handle handle;
  fill(handle, find_or_make(values));
  return handle;
}

bool Family::remove(std::initializer_list<std::string_view> values) {
  const std::lock_guard lock(mutex_);
  const auto found = series_.find(key_of(values));
  if (found == series_.end()) return false;
  removed_.push_back(std::move(found->second));
  series_.erase(found);
  return true;
}

LabelValues Family::key_of(std::initializer_list<std::string_view> values) const {
  CHECK(values.size() == options_.labels.size(), "{}: {} label values given", options_.name, values.size());
  LabelValues key;
  for (std::string_view value : values) key.push_back(clean_label_value(value));
  return key;
}

Series& Family::find_or_make(std::initializer_list<std::string_view> values) {
  LabelValues key = key_of(values);
  if (const auto found = series_.find(key); found != series_.end()) return found->second;
  if (series_.size() >= options_.series_max && !key.empty()) {
    overflow_.add();
    key.assign(key.size(), std::string(kOther));
    if (const auto found = series_.find(key); found != series_.end()) return found->second;
  }
  return series_.emplace(std::move(key), make_series()).first->second;
}

Series Family::make_series() {
  if (!removed_.empty()) {
    Series series = std::move(removed_.back());
    removed_.pop_back();
    series.baseline.clear();
    std::vector<std::uint64_t> baseline;
    for (std::uint32_t i = 0; i < cells_per_series(); ++i) baseline.push_back(value_of(series, i));
    series.baseline = std::move(baseline);
    if (series.gauge != nullptr) series.gauge->store(0, std::memory_order_relaxed);
    return series;
  }
  Series series;
  if (kind_ == Kind::Gauge) series.gauge = &gauges_.emplace_back(0.0);
  else series.first_cell = cells_->reserve(cells_per_series());
  return series;
}

std::uint32_t Family::cells_per_series() const {
  switch (kind_) {
    case Kind::Counter: return 1;
    case Kind::Gauge: return 0;
    case Kind::Histogram: return static_cast<std::uint32_t>(scale_.bounds.size()) + 2;
  }
  return 0;
}

std::uint64_t Family::value_of(const Series& series, std::uint32_t offset) const {
  const std::uint64_t total = cells_->sum(series.first_cell + offset);
  return series.baseline.empty() ? total : total - series.baseline[offset];
}

void Family::fill(Counter& handle, const Series& series) const {
  handle.cells_ = cells_.get();
  handle.cell_ = series.first_cell;
}

void Family::fill(Gauge& handle, const Series& series) const { handle.value_ = series.gauge; }

void Family::fill(Histogram& handle, const Series& series) const {
  handle.cells_ = cells_.get();
  handle.scale_ = &scale_;
  handle.first_cell_ = series.first_cell;
}

void Family::write_to(std::string& out) const {
  const std::lock_guard lock(mutex_);
  fmt::format_to(std::back_inserter(out), "# HELP {} ", options_.name);
  append_escaped(out, options_.help, false);
  fmt::format_to(std::back_inserter(out), "\n# TYPE {} {}\n", options_.name, kind_name(kind_));
  if (read_) {
    append_name(out, "", {}, "");
    append_number(out, read_());
    out.push_back('\n');
    return;
  }
  for (const auto& [values, series] : series_) write_series(out, values, series);
}

// "name_suffix{label="value",le="bound"} ".
void Family::append_name(std::string& out, std::string_view suffix, const LabelValues& values,
                         std::string_view le) const {
  out += options_.name;
  out += suffix;
  char before = '{';
  const auto append_label = [&](std::string_view label, std::string_view value) {
    out.push_back(std::exchange(before, ','));
    out += label;
    out += "=\"";
    append_escaped(out, value, true);
    out.push_back('"');
  };
  for (std::size_t i = 0; i < values.size(); ++i) append_label(options_.labels[i], values[i]);
  if (!le.empty()) append_label("le", le);
  out += before == '{' ? " " : "} ";
}

void Family::write_series(std::string& out, const LabelValues& values, const Series& series) const {
  if (kind_ == Kind::Histogram) return write_histogram(out, values, series);
  append_name(out, "", values, "");
  if (kind_ == Kind::Counter) fmt::format_to(std::back_inserter(out), "{}", value_of(series, 0));
  else append_number(out, series.gauge->load(std::memory_order_relaxed));
  out.push_back('\n');
}

void Family::write_histogram(std::string& out, const LabelValues& values, const Series& series) const {
  std::uint64_t count = 0;
  const auto bounds = static_cast<std::uint32_t>(scale_.bounds.size());
  for (std::uint32_t i = 0; i <= bounds; ++i) {
    count += value_of(series, i);
    std::string le = "+Inf";
    if (i < bounds) {
      le.clear();
      append_number(le, static_cast<double>(scale_.bounds[i]) / scale_.raw_per_unit);
    }
    append_name(out, "_bucket", values, le);
    fmt::format_to(std::back_inserter(out), "{}\n", count);
  }
  append_name(out, "_sum", values, "");
  append_number(out, static_cast<double>(value_of(series, bounds + 1)) / scale_.raw_per_unit);
  out.push_back('\n');
  append_name(out, "_count", values, "");
  fmt::format_to(std::back_inserter(out), "{}\n", count);
}

}  // namespace metric_detail

using metric_detail::Family;
using metric_detail::Kind;

HistogramScale HistogramScale::latency() {
  HistogramScale scale{.bounds = {}, .raw_per_unit = 1e9};
  for (std::uint64_t us : {50, 100, 250, 500, 1'000, 2'500, 5'000, 10'000, 25'000, 50'000, 100'000, 250'000, 500'000,
                           1'000'000, 2'500'000, 5'000'000, 10'000'000})
    scale.bounds.push_back(us * 1'000);
  return scale;
}

HistogramScale HistogramScale::bytes() {
  HistogramScale scale;
  for (std::uint64_t bound = 64; bound <= 16 * 1024 * 1024; bound *= 4) scale.bounds.push_back(bound);
  return scale;
}

void Counter::add(std::uint64_t n) const {
  if (cells_ != nullptr) cells_->add(cell_, n);
}

void Gauge::set(double value) const {
  if (value_ != nullptr) value_->store(value, std::memory_order_relaxed);
}

void Gauge::add(double delta) const {
  if (value_ != nullptr) value_->fetch_add(delta, std::memory_order_relaxed);
}

void Histogram::observe(std::uint64_t raw) const {
  if (cells_ == nullptr) return;
  const auto& bounds = scale_->bounds;
  const auto bucket = static_cast<std::uint32_t>(std::lower_bound(bounds.begin(), bounds.end(), raw) - bounds.begin());
  cells_->add(first_cell_ + bucket, 1);
  cells_->add(first_cell_ + static_cast<std::uint32_t>(bounds.size()) + 1, raw);
}

void Histogram::observe(Duration d) const {
  observe(static_cast<std::uint64_t>(std::max<Duration::rep>(d.count(), 0)));
}

template <class Handle>
Handle MetricFamily<Handle>::with(std::initializer_list<std::string_view> values) const {
  return family_ == nullptr ? Handle() : family_->template with<Handle>(values);
}

template <class Handle>
bool MetricFamily<Handle>::remove(std::initializer_list<std::string_view> values) const {
  return family_ != nullptr && family_->remove(values);
}

template class MetricFamily<Counter>;
template class MetricFamily<Gauge>;
template class MetricFamily<Histogram>;

struct MetricRegistry::State {
  std::shared_ptr<metric_detail::Cells> cells = std::make_shared<metric_detail::Cells>();
  mutable std::mutex mutex;
  std::map<std::string, std::unique_ptr<Family>> families;  // guarded by mutex; entries live as long as the registry
  CounterFamily overflows;

  Family& find_or_make(Kind kind, MetricOptions options, HistogramScale scale) {
    const std::lock_guard lock(mutex);
    auto& family = families[options.name];
    if (family != nullptr) {
      CHECK(family->same_as(kind, options), "metric {} has two meanings", options.name);
      return *family;
    }
    const std::string name = options.name;
    family = std::make_unique<Family>(kind, std::move(options), std::move(scale), cells);
    family->count_overflow_in(overflows.with({name}));
    return *family;
  }
};

MetricRegistry::MetricRegistry() : state_(std::make_unique<State>()) {
  // Its own series are as many as there are names in the code, so it needs no bound from outside.
  state_->overflows = counters({.name = "meshd_metric_series_overflow_total",
                                .help = "Series refused because their metric has its maximum of label values.",
                                .labels = {"metric"},
                                .series_max = kMetricCellsMax});
}

MetricRegistry::~MetricRegistry() = default;

CounterFamily MetricRegistry::counters(MetricOptions options) {
  return CounterFamily(&state_->find_or_make(Kind::Counter, std::move(options), {}));
}

GaugeFamily MetricRegistry::gauges(MetricOptions options) {
  return GaugeFamily(&state_->find_or_make(Kind::Gauge, std::move(options), {}));
}

HistogramFamily MetricRegistry::histograms(MetricOptions options, HistogramScale scale) {
  return HistogramFamily(&state_->find_or_make(Kind::Histogram, std::move(options), std::move(scale)));
}

Counter MetricRegistry::counter(MetricOptions options) { return counters(std::move(options)).with({}); }
Gauge MetricRegistry::gauge(MetricOptions options) { return gauges(std::move(options)).with({}); }
Histogram MetricRegistry::histogram(MetricOptions options, HistogramScale scale) {
  return histograms(std::move(options), std::move(scale)).with({});
}

void MetricRegistry::counter_function(MetricOptions options, std::function<double()> read) {
  state_->find_or_make(Kind::Counter, std::move(options), {}).read_from(std::move(read));
}

void MetricRegistry::gauge_function(MetricOptions options, std::function<double()> read) {
  state_->find_or_make(Kind::Gauge, std::move(options), {}).read_from(std::move(read));
}

std::string MetricRegistry::prometheus_text() const {
  const std::lock_guard lock(state_->mutex);
  std::string out;
  for (const auto& [name, family] : state_->families) family->write_to(out);
  return out;
}

}  // namespace mesh
