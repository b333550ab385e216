#include "base/proto_text.h"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

#include "base/check.h"

namespace mesh {
namespace {

// CheckStatus, Critical -> CHECK_STATUS_CRITICAL: values of enums share the package's scope.
std::string enum_value_name(std::string_view type, std::string_view name) {
  std::string out;
  for (const std::string_view part : {type, name}) {
    for (const char c : part) {
      const bool upper = c >= 'A' && c <= 'Z';
      if (upper && !out.empty()) out += '_';
      out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
  }
  return out;
}

std::string_view type_name(const FieldRow& row) {
  if (row.kind == FieldKind::Blob) return "bytes";
  if (row.kind == FieldKind::Message) return row.element->message().name;
  if (row.kind == FieldKind::Enum) return row.element->enumeration().name;
  return row.element->proto;
}

std::string_view unit_note(const FieldRow& row) {
  if (row.kind == FieldKind::Interval) return "nanoseconds";
  return row.kind == FieldKind::Instant ? "nanoseconds since 1970 UTC" : "";
}

std::string field_line(const FieldRow& row) {
  const std::string_view type = type_name(row);
  std::string line = "  ";
  switch (row.shape) {
    case FieldShape::One: line += type; break;
    case FieldShape::Optional: line += fmt::format("optional {}", type); break;
    case FieldShape::List: line += fmt::format("repeated {}", type); break;
    case FieldShape::Map: line += fmt::format("map<string, {}>", type); break;
  }
  line += fmt::format(" {} = {};", row.name, row.number);
  const std::string_view note = unit_note(row);
  if (!row.doc.empty() || !note.empty()) line += "  // ";
  line += row.doc;
  if (!row.doc.empty() && !note.empty()) line += "; ";
  return fmt::format("{}{}\n", line, note);
}

// Writes each type once; a set of names would not see two types of one name.
class ProtoFile {
 public:
  void add(const MessageTable& table) {
    if (std::find(messages_.begin(), messages_.end(), &table) != messages_.end()) return;
    for (const MessageTable* other : messages_) CHECK(other->name != table.name, "two messages named {}", table.name);
    messages_.push_back(&table);
    std::string text = fmt::format("\nmessage {} {{\n", table.name);
    for (const FieldRow& row : table.rows) text += field_line(row);
    text_ += text + "}\n";
    for (const FieldRow& row : table.rows) {
      if (row.kind == FieldKind::Message) add(row.element->message());
      if (row.kind == FieldKind::Enum) add(row.element->enumeration());
    }
  }
  std::string take() { return std::move(text_); }

 private:
  void add(const EnumTable& table) {
    if (std::find(enums_.begin(), enums_.end(), &table) != enums_.end()) return;
    enums_.push_back(&table);
    text_ += fmt::format("\nenum {} {{\n", table.name);
    for (const EnumRow& row : table.rows) {
      text_ += fmt::format("  {} = {};\n", enum_value_name(table.name, row.name), row.value);
    }
    text_ += "}\n";
  }

  std::vector<const MessageTable*> messages_;
  std::vector<const EnumTable*> enums_;
  std::string text_;
};

}  // namespace

std::string proto_text(std::string_view package, std::span<const MessageTable* const> messages) {
  ProtoFile file;
  for (const MessageTable* table : messages) file.add(*table);
  std::string text = "syntax = \"proto3\";\n";
  if (!package.empty()) text += fmt::format("\npackage {};\n", package);
  return text + file.take();
}

}  // namespace mesh
