#include "base/message_tree.h"

#include <limits>

#include "base/base64.h"
#include "base/near_miss.h"
#include "base/time_text.h"

namespace mesh {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }

// Equal without regard to case and underscores.
bool same_spelling(std::string_view a, std::string_view b) {
  std::size_t j = 0;
  for (const char c : a) {
    if (c == '_') continue;
    while (j < b.size() && b[j] == '_') ++j;
    if (j == b.size() || lower(c) != lower(b[j++])) return false;
  }
  while (j < b.size() && b[j] == '_') ++j;
  return j == b.size();
}

// Cuts the first of the alternatives "A|B" off.
std::string_view take_alternative(std::string_view& names) {
  const std::size_t end = names.find('|');
  const std::string_view first = names.substr(0, end);
  names.remove_prefix(end == std::string_view::npos ? names.size() : end + 1);
  return first;
}

// TLSServerName -> tls_server_name.
std::string to_snake(std::string_view camel) {
  std::string snake;
  for (std::size_t i = 0; i < camel.size(); ++i) {
    const bool before_lower = i + 1 < camel.size() && !is_upper(camel[i + 1]);
    const bool word_starts = i > 0 && is_upper(camel[i]) && (!is_upper(camel[i - 1]) || before_lower);
    if (word_starts) snake += '_';
    snake += lower(camel[i]);
  }
  return snake;
}

std::string enum_choices(const EnumTable& table) {
  std::string text;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    if (i > 0) text += i + 1 == table.rows.size() ? " or " : ", ";
    text += table.rows[i].text;
  }
  return text;
}

std::string whole_number_range(const FieldRow& row) {
  const unsigned bits = row.element->size * 8;
  if (row.kind == FieldKind::Uint) {
    return fmt::format("a whole number from 0 to {}", std::numeric_limits<std::uint64_t>::max() >> (64 - bits));
  }
  const std::int64_t max = std::numeric_limits<std::int64_t>::max() >> (64 - bits);
  return fmt::format("a whole number from {} to {}", -max - 1, max);
}

template <class Value>
bool store(const FieldRow& row, void* element, const std::optional<Value>& value) {
  return value && row.element->store(element, static_cast<std::uint64_t>(std::int64_t{*value}));
}

}  // namespace

const FieldRow* row_named(const MessageTable& table, std::string_view name) {
  for (const FieldRow& row : table.rows) {
    for (std::string_view names = row.json; !names.empty() && !row.has(kHidden);) {
      if (same_spelling(take_alternative(names), name)) return &row;
    }
  }
  return nullptr;
}

std::string unknown_name_hint(const MessageTable& table, std::string_view name, bool snake_case) {
  std::vector<std::string> names;
  for (const FieldRow& row : table.rows) {
    if (row.has(kHidden) || row.has(kOutput)) continue;
    std::string_view alternatives = row.json;
    const std::string_view first = take_alternative(alternatives);
    names.push_back(snake_case ? to_snake(first) : std::string(first));
  }
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const std::optional<std::string_view> near = near_miss(name, candidates);
  return near ? fmt::format("did you mean {}?", *near) : std::string();
}

const FieldRow* shorthand_row(const MessageTable& table) {
  for (const FieldRow& row : table.rows) {
    if (row.has(kShorthand)) return &row;
  }
  return nullptr;
}

std::string expected(const FieldRow& row) {
  switch (row.kind) {
    case FieldKind::Bool: return "true or false";
    case FieldKind::Int:
    case FieldKind::Uint: return whole_number_range(row);
    case FieldKind::Double: return "a number";
    case FieldKind::Text: return "text";
    case FieldKind::Blob: return "base64 text";
    case FieldKind::Enum: return enum_choices(row.element->enumeration());
    case FieldKind::Interval: return "a duration such as 10s or 1m30s";
    case FieldKind::Instant: return "a time such as 2024-05-01T12:00:00Z";
    case FieldKind::Message: return "an object";
  }
  return {};
}

std::string set_from_text(const FieldRow& row, void* element, std::string_view text) {
  bool set = false;
  if (row.kind == FieldKind::Text) {
    row.element->set_text(element, text);
    set = true;
  } else if (row.kind == FieldKind::Blob) {
    const Result<Bytes> bytes = base64_decode(text);
    set = bytes.ok();
    if (set) row.element->set_text(element, *bytes);
  } else if (row.kind == FieldKind::Enum) {
    set = store(row, element, enum_value(row.element->enumeration(), text));
  } else if (row.kind == FieldKind::Interval) {
    const std::optional<Duration> duration = parse_duration(text);
    set = duration && row.element->store(element, static_cast<std::uint64_t>(duration->count()));
  } else if (row.kind == FieldKind::Instant) {
    const std::optional<WallTime> time = parse_time(text);
    set = time && row.element->store(element, static_cast<std::uint64_t>(time->time_since_epoch().count()));
  }
  return set ? std::string() : expected(row);
}

}  // namespace mesh
