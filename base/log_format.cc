// How a log line looks: text for journald and people, JSON for collectors.
#include <cmath>
#include <ctime>

#include "base/log.h"
#include "base/utf8.h"

namespace mesh {
namespace {

constexpr std::string_view kCut = "...";

// sd-daemon(3): a line that starts with <N> has syslog priority N.
char journal_priority(LogLevel level) {
  switch (level) {
    case LogLevel::Debug: return '7';
    case LogLevel::Info: return '6';
    case LogLevel::Warn: return '4';
    case LogLevel::Error: return '3';
  }
  return '6';
}

// Appends text as the inside of a JSON string (RFC 8259 section 7), cut at kLogValueBytesMax bytes of input. Bytes that are
// no UTF-8 become U+FFFD. The text format quotes with the same rules.
void append_escaped(std::string& out, std::string_view text) {
  std::string_view rest = text.substr(0, kLogValueBytesMax);
  while (!rest.empty()) {
    const std::size_t length = utf8_length(rest);
    if (length == 0) {
      out += "\xef\xbf\xbd";
      rest.remove_prefix(1);
      continue;
    }
    const char c = rest.front();
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out.append(rest.substr(0, length));
    }
    rest.remove_prefix(length);
  }
  if (text.size() > kLogValueBytesMax) out += kCut;
}

void append_quoted(std::string& out, std::string_view text) {
  out.push_back('"');
  append_escaped(out, text);
  out.push_back('"');
}

// A bare word needs no quotes in the text format.
bool is_bare(std::string_view text) {
  if (text.empty() || text.size() > kLogValueBytesMax) return false;
  for (char c : text)
    if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=') return false;
  return true;
}

double to_seconds(Duration d) { return static_cast<double>(d.count()) / 1e9; }

// JSON has no NaN and no infinity.
void append_json_number(std::string& out, double value) {
  if (std::isfinite(value)) fmt::format_to(std::back_inserter(out), "{}", value);
  else out += "null";
}

struct AppendTextValue {
  std::string& out;
  void operator()(std::string_view text) const {
    if (is_bare(text)) out += text;
    else append_quoted(out, text);
  }
  void operator()(bool value) const { out += value ? "true" : "false"; }
  void operator()(Duration d) const { fmt::format_to(std::back_inserter(out), "{:.3f}s", to_seconds(d)); }
  template <class Number>
  void operator()(Number value) const {
    fmt::format_to(std::back_inserter(out), "{}", value);
  }
};

struct AppendJsonValue {
  std::string& out;
  void operator()(std::string_view text) const { append_quoted(out, text); }
  void operator()(bool value) const { out += value ? "true" : "false"; }
  void operator()(double value) const { append_json_number(out, value); }
  void operator()(Duration d) const { append_json_number(out, to_seconds(d)); }
  template <class Integer>
  void operator()(Integer value) const {
    fmt::format_to(std::back_inserter(out), "{}", value);
  }
};

// Appends one field and takes it back if the line would become longer than kLogLineBytesMax less what closes it.
template <class Append>
bool append_bounded(std::string& line, Append append) {
  static constexpr std::size_t kReserveBytes = 32;
  const std::size_t before = line.size();
  append();
  if (line.size() + kReserveBytes <= kLogLineBytesMax) return true;
  line.resize(before);
  return false;
}

// RFC 3339 in UTC with milliseconds.
void append_timestamp(std::string& out, WallTime time) {
  const auto millis = duration_cast<milliseconds>(time.time_since_epoch()).count();
  const std::time_t second = static_cast<std::time_t>(millis / 1000);
  std::tm utc{};
  gmtime_r(&second, &utc);
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                 utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, millis % 1000);
}

}  // namespace

std::string format_log_text(const LogLine& line, std::initializer_list<LogField> fields) {
  std::string out{'<', journal_priority(line.level), '>'};
  append_escaped(out, line.message);
  for (const LogField& field : fields) {
    const bool fits = append_bounded(out, [&] {
      fmt::format_to(std::back_inserter(out), " {}=", field.key());
      std::visit(AppendTextValue{out}, field.value());
    });
    if (fits) continue;
    out += " cut=true";
    break;
  }
  if (line.suppressed > 0) fmt::format_to(std::back_inserter(out), " suppressed={}", line.suppressed);
  return out;
}

std::string format_log_json(const LogLine& line, std::initializer_list<LogField> fields) {
  std::string out = R"({"ts":")";
  append_timestamp(out, line.time);
  fmt::format_to(std::back_inserter(out), R"(","level":"{}","msg":)", log_level_name(line.level));
  append_quoted(out, line.message);
  for (const LogField& field : fields) {
    const bool fits = append_bounded(out, [&] {
      out.push_back(',');
      append_quoted(out, field.key());
      out.push_back(':');
      std::visit(AppendJsonValue{out}, field.value());
    });
    if (fits) continue;
    out += R"(,"cut":true)";
    break;
  }
  if (line.suppressed > 0) fmt::format_to(std::back_inserter(out), R"(,"suppressed":{})", line.suppressed);
  out.push_back('}');
  return out;
}

}  // namespace mesh
