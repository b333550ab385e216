#include "base/message_json.h"

#include <bit>

#include "base/base64.h"
#include "base/message_access.h"
#include "base/message_tree.h"
#include "base/time_text.h"

namespace mesh {
namespace {

constexpr std::size_t kFaultsShown = 5;  // of one JSON text; all are counted

class JsonView {
 public:
  struct Mark {};
  static constexpr bool kNumbersAreNanoseconds = true;  // as Go programs send them

  explicit JsonView(const JsonValue& value) : value_(&value) {}

  [[nodiscard]] Mark mark() const { return {}; }
  [[nodiscard]] Mark name_mark(std::size_t) const { return {}; }
  [[nodiscard]] bool is_null() const { return value_->is_null(); }
  [[nodiscard]] bool is_list() const { return value_->is_list(); }
  [[nodiscard]] bool is_map() const { return value_->is_object(); }
  [[nodiscard]] std::string describe() const { return value_->describe(); }
  [[nodiscard]] std::size_t size() const { return is_list() ? value_->items().size() : value_->members().size(); }
  [[nodiscard]] JsonView item(std::size_t i) const { return JsonView(value_->items()[i]); }
  [[nodiscard]] std::string_view name(std::size_t i) const { return value_->members()[i].first; }
  [[nodiscard]] JsonView value(std::size_t i) const { return JsonView(value_->members()[i].second); }
  [[nodiscard]] auto boolean() const { return value_->boolean(); }
  [[nodiscard]] auto integer() const { return value_->integer(); }
  [[nodiscard]] auto unsigned_integer() const { return value_->unsigned_integer(); }
  [[nodiscard]] auto real() const { return value_->real(); }
  [[nodiscard]] auto text() const { return value_->string(); }

 private:
  const JsonValue* value_;
};

void write_element(JsonWriter& out, const FieldRow& row, const void* element) {
  switch (row.kind) {
    case FieldKind::Bool: return out.boolean(row.element->load(element) != 0);
    case FieldKind::Int: return out.integer(static_cast<std::int64_t>(row.element->load(element)));
    case FieldKind::Uint: return out.unsigned_integer(row.element->load(element));
    case FieldKind::Double: return out.real(std::bit_cast<double>(row.element->load(element)));
    case FieldKind::Text: return out.string(row.element->text(element));
    case FieldKind::Blob: return out.string(base64_encode(row.element->text(element)));
    case FieldKind::Enum:
      return out.string(
          enum_text(row.element->enumeration(), static_cast<std::int64_t>(row.element->load(element))));
    case FieldKind::Interval:
      return out.string(format_duration(Duration(static_cast<std::int64_t>(row.element->load(element)))));
    case FieldKind::Instant:
      return out.string(format_time(WallTime(Duration(static_cast<std::int64_t>(row.element->load(element))))));
    case FieldKind::Message: return write_json_message(out, row.element->message(), element);
  }
}

void write_field(JsonWriter& out, const FieldRow& row, const void* member) {
  if (row.has(kEmptyNull) && is_empty_field(row, member)) return out.null();
  if (row.shape == FieldShape::List) out.begin_list();
  if (row.shape == FieldShape::Map) out.begin_object();
  each_element(row, member, [&](std::string_view key, const void* element) {
    if (row.shape == FieldShape::Map) out.key(key);
    write_element(out, row, element);
  });
  if (row.shape == FieldShape::List) out.end_list();
  if (row.shape == FieldShape::Map) out.end_object();
}

bool is_left_out(const FieldRow& row, const void* member) {
  if (row.has(kHidden)) return true;
  return (row.has(kOmitEmpty) || row.shape == FieldShape::Optional) && is_empty_field(row, member);
}

}  // namespace

void write_json_message(JsonWriter& out, const MessageTable& table, const void* message) {
  if (table.bare()) return write_field(out, table.rows[0], table.rows[0].in(message));
  out.begin_object();
  write_json_members(out, table, message);
  out.end_object();
}

void write_json_members(JsonWriter& out, const MessageTable& table, const void* message) {
  for (const FieldRow& row : table.rows) {
    const void* member = row.in(message);
    if (is_left_out(row, member)) continue;
    out.key(row.json.substr(0, row.json.find('|')));
    write_field(out, row, member);
  }
}

Status read_json_message(const JsonValue& json, const MessageTable& table, void* message,
                         const FromJsonOptions& options) {
  std::vector<TreeFault<JsonView::Mark>> faults;
  TreeReader<JsonView>({.strict = options.refuse_unknown}, faults).message(table, message, JsonView(json));
  if (faults.empty()) return {};
  std::string text;
  for (std::size_t i = 0; i < faults.size() && i < kFaultsShown; ++i) {
    if (i > 0) text += "; ";
    if (!faults[i].path.empty()) text += faults[i].path + ": ";
    text += faults[i].message;
    if (!faults[i].hint.empty()) text += " (" + faults[i].hint + ")";
  }
  if (faults.size() > kFaultsShown) text += fmt::format("; and {} more", faults.size() - kFaultsShown);
  return Error{Code::Invalid, std::move(text)};
}

}  // namespace mesh
