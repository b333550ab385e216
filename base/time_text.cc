#include "base/time_text.h"

#include <fmt/core.h>

#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace mesh {
namespace {

using Nanos = std::uint64_t;

constexpr Nanos kSecond = 1'000'000'000;
constexpr Nanos kNanosMax = static_cast<Nanos>(std::numeric_limits<std::int64_t>::max());
// Longer names first where one begins another.
constexpr std::array<std::pair<std::string_view, Nanos>, 8> kUnits = {{{"ns", 1},
                                                                      {"us", 1'000},
                                                                      {"\xc2\xb5s", 1'000},  // micro sign
                                                                      {"\xce\xbcs", 1'000},  // Greek mu
                                                                      {"ms", 1'000'000},
                                                                      {"s", kSecond},
                                                                      {"m", 60 * kSecond},
                                                                      {"h", 3600 * kSecond}}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes a run of digits off the front; nothing if there is none or it is too large.
std::optional<Nanos> take_number(std::string_view& text) {
  Nanos value = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc{} || end == text.data()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

// Takes digits after a point off the front, as billionths; digits beyond the ninth are dropped.
Nanos take_fraction(std::string_view& text) {
  Nanos fraction = 0;
  Nanos scale = kSecond;
  for (; !text.empty() && is_digit(text.front()); text.remove_prefix(1)) {
    if (scale == 1) continue;
    fraction = fraction * 10 + static_cast<Nanos>(text.front() - '0');
    scale /= 10;
  }
  return fraction * scale;
}

std::optional<Nanos> take_unit(std::string_view& text) {
  for (const auto& [name, nanos] : kUnits) {
    if (!text.starts_with(name)) continue;
    text.remove_prefix(name.size());
    return nanos;
  }
  return std::nullopt;
}

// One "1.5h"; nothing on a fault.
std::optional<Nanos> take_part(std::string_view& text) {
  const bool leading_digit = !text.empty() && is_digit(text.front());
  Nanos whole = 0;
  if (leading_digit) {
    const std::optional<Nanos> number = take_number(text);
    if (!number) return std::nullopt;
    whole = *number;
  }
  Nanos fraction = 0;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (!leading_digit && (text.empty() || !is_digit(text.front()))) return std::nullopt;
    fraction = take_fraction(text);
  } else if (!leading_digit) {
    return std::nullopt;
  }
  const std::optional<Nanos> unit = take_unit(text);
  if (!unit || whole > kNanosMax / *unit) return std::nullopt;
  const Nanos rest = *unit >= kSecond ? fraction * (*unit / kSecond) : fraction * *unit / kSecond;
  return whole * *unit + rest;
}

// `value / unit` with as many decimals as it needs.
std::string decimal(Nanos value, Nanos unit) {
  std::string text = fmt::format("{}", value / unit);
  if (value % unit == 0) return text;
  std::string digits = fmt::format("{}", value % unit + unit).substr(1);  // leading zeros kept
  digits.erase(digits.find_last_not_of('0') + 1);
  return text + "." + digits;
}

// A number of exactly `digits` digits at the front.
std::optional<int> take_fixed(std::string_view& text, std::size_t digits) {
  int value = 0;
  if (text.size() < digits) return std::nullopt;
  for (std::size_t i = 0; i < digits; ++i) {
    if (!is_digit(text[i])) return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take_char(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

// "Z" or "+hh:mm", to the end of the text.
std::optional<Duration> take_offset(std::string_view text) {
  if (text == "Z" || text == "z") return Duration{};
  const bool negative = text.starts_with('-');
  if (!negative && !text.starts_with('+')) return std::nullopt;
  text.remove_prefix(1);
  const std::optional<int> hour = take_fixed(text, 2);
  if (!hour || !take_char(text, ':')) return std::nullopt;
  const std::optional<int> minute = take_fixed(text, 2);
  if (!minute || !text.empty() || *hour > 23 || *minute > 59) return std::nullopt;
  const Duration offset = hours(*hour) + minutes(*minute);
  return negative ? -offset : offset;
}

std::optional<std::chrono::sys_days> take_date(std::string_view& text) {
  const std::optional<int> year = take_fixed(text, 4);
  if (!year || !take_char(text, '-')) return std::nullopt;
  const std::optional<int> month = take_fixed(text, 2);
  if (!month || !take_char(text, '-')) return std::nullopt;
  const std::optional<int> day = take_fixed(text, 2);
  if (!day || *year < 1970 || *year > 2261) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date);
}

std::optional<Duration> take_time_of_day(std::string_view& text) {
  const std::optional<int> hour = take_fixed(text, 2);
  if (!hour || !take_char(text, ':')) return std::nullopt;
  const std::optional<int> minute = take_fixed(text, 2);
  if (!minute || !take_char(text, ':')) return std::nullopt;
  const std::optional<int> second = take_fixed(text, 2);
  if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  Duration time = hours(*hour) + minutes(*minute) + seconds(*second);
  if (take_char(text, '.')) {
    if (text.empty() || !is_digit(text.front())) return std::nullopt;
    time += Duration(static_cast<std::int64_t>(take_fraction(text)));
  }
  return time;
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return Duration{};
  if (text.empty()) return std::nullopt;
  Nanos total = 0;
  while (!text.empty()) {
    const std::optional<Nanos> part = take_part(text);
    if (!part || *part > kNanosMax - total) return std::nullopt;
    total += *part;
  }
  const auto nanos = static_cast<std::int64_t>(total);
  return Duration(negative ? -nanos : nanos);
}

std::string format_duration(Duration duration) {
  const std::int64_t count = duration.count();
  const Nanos nanos = count < 0 ? Nanos{0} - static_cast<Nanos>(count) : static_cast<Nanos>(count);
  const std::string sign = count < 0 ? "-" : "";
  if (nanos == 0) return "0s";
  if (nanos < 1'000) return fmt::format("{}{}ns", sign, nanos);
  if (nanos < 1'000'000) return sign + decimal(nanos, 1'000) + "us";
  if (nanos < kSecond) return sign + decimal(nanos, 1'000'000) + "ms";
  const Nanos minutes_total = nanos / (60 * kSecond);
  const std::string rest = decimal(nanos % (60 * kSecond), kSecond) + "s";
  if (minutes_total == 0) return sign + rest;
  if (minutes_total < 60) return fmt::format("{}{}m{}", sign, minutes_total, rest);
  return fmt::format("{}{}h{}m{}", sign, minutes_total / 60, minutes_total % 60, rest);
}

std::string format_time(WallTime time) {
  using std::chrono::floor;
  const Duration since_epoch = time.time_since_epoch();
  const auto day_count = floor<std::chrono::days>(since_epoch);
  const std::chrono::year_month_day date{std::chrono::sys_days(day_count)};
  const Duration in_day = since_epoch - day_count;
  const std::int64_t second = duration_cast<seconds>(in_day).count();
  std::string text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:", static_cast<int>(date.year()),
                                 static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), second / 3600,
                                 second / 60 % 60);
  const std::string seconds_text = decimal(static_cast<Nanos>((in_day - minutes(second / 60)).count()), kSecond);
  if (second % 60 < 10) text += '0';
  return text + seconds_text + "Z";
}

std::optional<WallTime> parse_time(std::string_view text) {
  const std::optional<std::chrono::sys_days> date = take_date(text);
  if (!date || (!take_char(text, 'T') && !take_char(text, 't'))) return std::nullopt;
  const std::optional<Duration> time = take_time_of_day(text);
  if (!time) return std::nullopt;
  const std::optional<Duration> offset = take_offset(text);
  if (!offset) return std::nullopt;
  return WallTime(Duration(date->time_since_epoch()) + *time - *offset);
}

}  // namespace mesh
