#include "base/json.h"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/check.h"
#include "base/utf8.h"

namespace mesh {
namespace {

constexpr std::size_t kDescribedTextMax = 40;  // bytes of a value shown in a message

// Of several members with one name only the last stays, in its place.
void drop_overwritten(JsonMembers& members) {
  std::vector<std::size_t> order(members.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return members[a].first < members[b].first; });
  std::vector<bool> overwritten(members.size());
  bool any = false;
  for (std::size_t i = 0; i + 1 < order.size(); ++i) {
    if (members[order[i]].first != members[order[i + 1]].first) continue;
    overwritten[order[i]] = true;
    any = true;
  }
  if (!any) return;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (overwritten[i]) continue;
    if (kept != i) members[kept] = std::move(members[i]);
    ++kept;
  }
  members.resize(kept);
}

template <class Number>
std::optional<Number> number(const char* text, std::size_t size) {
  Number value{};
  const auto [end, fault] = std::from_chars(text, text + size, value);
  return fault == std::errc{} && end == text + size ? std::optional<Number>(value) : std::nullopt;
}

// Builds the tree from RapidJSON's events; the names of the handlers are its own.
class TreeBuilder {
 public:
  explicit TreeBuilder(int depth_max) : depth_max_(static_cast<std::size_t>(depth_max)) {}

  bool Null() { return put(JsonValue()); }
  bool Bool(bool value) { return put(JsonValue(value)); }
  bool Int(int value) { return put(JsonValue(std::int64_t{value})); }
  bool Uint(unsigned value) { return put(JsonValue(std::int64_t{value})); }
  bool Int64(std::int64_t value) { return put(JsonValue(value)); }
  bool Uint64(std::uint64_t value) { return put(JsonValue(value)); }
  bool Double(double value) { return put(JsonValue(value)); }
  // Every number arrives here, as text of which the grammar has been checked.
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    if (const auto value = number<std::int64_t>(text, size)) return put(JsonValue(*value));
    if (const auto value = number<std::uint64_t>(text, size)) return put(JsonValue(*value));
    if (const auto value = number<double>(text, size)) return put(JsonValue(*value));
    fault_ = "number out of range";
    return false;
  }
  bool String(const char* text, rapidjson::SizeType size, bool) { return put(JsonValue(std::string(text, size))); }
  bool Key(const char* text, rapidjson::SizeType size, bool) {
    open_.back().members.emplace_back(std::string(text, size), JsonValue());
    return true;
  }
  bool StartObject() { return open(false); }
  bool StartArray() { return open(true); }
  bool EndObject(rapidjson::SizeType) {
    JsonMembers members = std::move(open_.back().members);
    drop_overwritten(members);
    open_.pop_back();
    return put(JsonValue(std::move(members)));
  }
  bool EndArray(rapidjson::SizeType) {
    JsonList items = std::move(open_.back().items);
    open_.pop_back();
    return put(JsonValue(std::move(items)));
  }

  // Why the builder ended the parse; empty: it did not.
  [[nodiscard]] const std::string& fault() const { return fault_; }
  JsonValue take() { return std::move(root_); }

 private:
  struct Open {
    bool is_list;
    JsonList items;
    JsonMembers members;
  };

  bool open(bool is_list) {
    if (open_.size() >= depth_max_) {
      fault_ = fmt::format("nested over {} deep", depth_max_);
      return false;
    }
    open_.push_back({is_list, {}, {}});
    return true;
  }

  bool put(JsonValue value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().is_list) {
      open_.back().items.push_back(std::move(value));
    } else {
      open_.back().members.back().second = std::move(value);
    }
    return true;
  }

  std::size_t depth_max_;
  std::vector<Open> open_;
  JsonValue root_;
  std::string fault_;
};

Error at(std::string_view text, std::size_t offset, std::string_view what) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const std::size_t line_start = before.rfind('\n') + 1;  // npos + 1 == 0
  return error(Code::Invalid, "JSON line {} column {}: {}", line, before.size() - line_start + 1, what);
}

template <class Int>
void append_number(std::string& out, Int value) {
  std::array<char, 32> buffer;
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  out.append(buffer.data(), result.ptr);
}

// Whether a character stands in JSON text as itself. <, > and & are escaped as Consul's answers do.
bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

void append_escaped(std::string& out, char c) {
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: {
      constexpr std::string_view kHex = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(c);
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
}

void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && is_plain(text[end])) ++end;
    out.append(text, i, end - i);
    i = end;
    if (i == text.size()) break;
    if (static_cast<unsigned char>(text[i]) < 0x80) {
      append_escaped(out, text[i++]);
    } else if (const std::size_t size = utf8_length(text.substr(i)); size > 0) {
      out.append(text, i, size);
      i += size;
    } else {
      out += "\xef\xbf\xbd";  // U+FFFD
      ++i;
    }
  }
  out += '"';
}

}  // namespace

std::optional<bool> JsonValue::boolean() const {
  const bool* value = std::get_if<bool>(&state_);
  return value != nullptr ? std::optional<bool>(*value) : std::nullopt;
}

std::optional<std::int64_t> JsonValue::integer() const {
  if (const auto* value = std::get_if<std::int64_t>(&state_)) return *value;
  const double* value = std::get_if<double>(&state_);
  // 2^63 is the first double beyond the range.
  if (value == nullptr || std::trunc(*value) != *value || !(std::abs(*value) < 0x1p63)) return std::nullopt;
  return static_cast<std::int64_t>(*value);
}

std::optional<std::uint64_t> JsonValue::unsigned_integer() const {
  if (const auto* value = std::get_if<std::uint64_t>(&state_)) return *value;
  const std::optional<std::int64_t> value = integer();
  return value && *value >= 0 ? std::optional<std::uint64_t>(static_cast<std::uint64_t>(*value)) : std::nullopt;
}

std::optional<double> JsonValue::real() const {
  if (const auto* value = std::get_if<double>(&state_)) return *value;
  if (const auto* value = std::get_if<std::int64_t>(&state_)) return static_cast<double>(*value);
  if (const auto* value = std::get_if<std::uint64_t>(&state_)) return static_cast<double>(*value);
  return std::nullopt;
}

std::optional<std::string_view> JsonValue::string() const {
  const auto* value = std::get_if<std::string>(&state_);
  return value != nullptr ? std::optional<std::string_view>(*value) : std::nullopt;
}

const JsonList& JsonValue::items() const {
  static const JsonList kNone;
  const auto* value = std::get_if<JsonList>(&state_);
  return value != nullptr ? *value : kNone;
}

const JsonMembers& JsonValue::members() const {
  static const JsonMembers kNone;
  const auto* value = std::get_if<JsonMembers>(&state_);
  return value != nullptr ? *value : kNone;
}

const JsonValue* JsonValue::find(std::string_view name) const {
  for (const auto& [key, value] : members()) {
    if (key == name) return &value;
  }
  return nullptr;
}

std::string JsonValue::describe() const {
  if (is_list()) return "a list";
  if (is_object()) return "an object";
  std::string text;
  JsonWriter out(text);
  if (const auto value = string()) {
    const bool cut = value->size() > kDescribedTextMax;
    out.string(cut ? std::string(value->substr(0, kDescribedTextMax)) + "..." : *value);
    return "text " + text;
  }
  write_json(out, *this);
  return is_null() || boolean() ? text : "number " + text;
}

Result<JsonValue> parse_json(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.size_max) {
    return error(Code::Invalid, "JSON of {} bytes is over the limit of {}", text.size(), limits.size_max);
  }
  // Numbers are converted here: RapidJSON 1.1's exact conversion shifts by negative counts on long zeros.
  constexpr unsigned kFlags =
      rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag | rapidjson::kParseNumbersAsStringsFlag;
  rapidjson::MemoryStream stream(text.data(), text.size());
  rapidjson::Reader reader;
  TreeBuilder builder(limits.depth_max);
  const rapidjson::ParseResult parsed = reader.Parse<kFlags>(stream, builder);
  if (!builder.fault().empty()) return at(text, parsed.Offset(), builder.fault());
  if (parsed.IsError()) return at(text, parsed.Offset(), rapidjson::GetParseError_En(parsed.Code()));
  // The stream shows its end as a zero byte, so a real one ends the parse too early.
  if (stream.Tell() != text.size()) return at(text, stream.Tell(), "zero byte");
  return builder.take();
}

void JsonValue::write_number(JsonWriter& out) const {
  if (const auto* value = std::get_if<std::int64_t>(&state_)) return out.integer(*value);
  if (const auto* value = std::get_if<std::uint64_t>(&state_)) return out.unsigned_integer(*value);
  if (const auto* value = std::get_if<double>(&state_)) return out.real(*value);
  out.null();
}

void JsonWriter::key(std::string_view name) {
  before_value();
  append_quoted(out_, name);
  out_ += pretty_ ? ": " : ":";
  after_key_ = true;
}

void JsonWriter::string(std::string_view value) {
  before_value();
  append_quoted(out_, value);
}

void JsonWriter::integer(std::int64_t value) {
  before_value();
  append_number(out_, value);
}

void JsonWriter::unsigned_integer(std::uint64_t value) {
  before_value();
  append_number(out_, value);
}

void JsonWriter::real(double value) {
  if (!std::isfinite(value)) return null();
  if (value == 0 && std::signbit(value)) return raw("-0.0");  // "-0" would read back as the integer 0
  before_value();
  append_number(out_, value);
}

void JsonWriter::boolean(bool value) { raw(value ? "true" : "false"); }

void JsonWriter::null() { raw("null"); }

void JsonWriter::raw(std::string_view json) {
  before_value();
  out_ += json;
}

void JsonWriter::before_value() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (!first_) out_ += ',';
  if (depth_ > 0) new_line();
  first_ = false;
}

void JsonWriter::open(char bracket) {
  before_value();
  out_ += bracket;
  first_ = true;
  ++depth_;
}

void JsonWriter::close(char bracket) {
  CHECK(depth_ > 0 && !after_key_, "JSON closed where nothing is open");
  --depth_;
  if (!first_) new_line();
  out_ += bracket;
  first_ = false;
}

void JsonWriter::new_line() {
  if (!pretty_) return;
  out_ += '\n';
  out_.append(depth_ * 4, ' ');
}

void write_json(JsonWriter& out, const JsonValue& value) {
  if (value.is_list()) {
    out.begin_list();
    for (const JsonValue& item : value.items()) write_json(out, item);
    out.end_list();
  } else if (value.is_object()) {
    out.begin_object();
    for (const auto& [name, member] : value.members()) {
      out.key(name);
      write_json(out, member);
    }
    out.end_object();
  } else if (const auto text = value.string()) {
    out.string(*text);
  } else if (const auto flag = value.boolean()) {
    out.boolean(*flag);
  } else {
    value.write_number(out);
  }
}

}  // namespace mesh
