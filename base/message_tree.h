// For message_json.cc and message_yaml.cc alone: fills a message from a tree of text values, whatever its syntax.
//
// A View is a cheap borrowed handle of a tree's node:
//   Mark                          where a node stands; mark(), name_mark(i)
//   is_null() is_list() is_map() describe()
//   size() item(i)                of a list
//   size() name(i) value(i)       of a map
//   boolean() integer() unsigned_integer() real() text()    std::optional
//   kNumbersAreNanoseconds        whether a bare number may stand for a duration
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/message.h"

namespace mesh {

template <class Mark>
struct TreeFault {
  Mark mark;
  std::string path;  // "checks[0].interval" in the spelling of the input; empty: the message itself
  std::string message;
  std::string hint;
};

inline constexpr std::size_t kTreeFaultsMax = 100;  // further ones are not collected

struct TreeOptions {
  bool strict = false;  // unknown names and names given twice are faults
  bool snake_case = false;  // spelling of names in hints
};

// Parts that do not depend on the syntax. `row_named`: null if unknown or hidden; alternatives of a JSON name are
// separated by '|'.
[[nodiscard]] const FieldRow* row_named(const MessageTable& table, std::string_view name);
[[nodiscard]] std::string unknown_name_hint(const MessageTable& table, std::string_view name, bool snake_case);
[[nodiscard]] const FieldRow* shorthand_row(const MessageTable& table);
// Sets what is written as text: Text, Blob, Enum, Interval, Instant. Gives what is expected instead ("a duration such
// as 10s"), or nothing when it is set.
[[nodiscard]] std::string set_from_text(const FieldRow& row, void* element, std::string_view text);
[[nodiscard]] std::string expected(const FieldRow& row);

template <class View>
class TreeReader {
 public:
  using Fault = TreeFault<typename View::Mark>;

  TreeReader(TreeOptions options, std::vector<Fault>& faults) : options_(options), faults_(faults) {}

  void message(const MessageTable& table, void* message, View view) {
    if (view.is_null()) return;
    if (table.bare()) return field(table.rows[0], table.rows[0].in(message), view);
    if (!view.is_map()) return shorthand(table, message, view);
    if (++depth_ > kMessageDepthMax) {
      fault(view.mark(), fmt::format("nested over {} deep", kMessageDepthMax));
    } else {
      members(table, message, view);
    }
    --depth_;
  }

 private:
  // Lengthens the path for a scope.
  class Step {
   public:
    Step(std::string& path, std::string_view name) : path_(path), size_(path.size()) {
      if (!path_.empty()) path_ += '.';
      path_ += name;
    }
    Step(std::string& path, std::size_t index) : path_(path), size_(path.size()) { path_ += fmt::format("[{}]", index); }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;
    ~Step() { path_.resize(size_); }

   private:
    std::string& path_;
    std::size_t size_;
  };

  void members(const MessageTable& table, void* message, View view) {
    std::vector<const FieldRow*> seen;
    for (std::size_t i = 0; i < view.size(); ++i) {
      const std::string_view name = view.name(i);
      const FieldRow* row = row_named(table, name);
      const Step step(path_, name);
      if (row == nullptr) {
        if (options_.strict) {
          fault(view.name_mark(i), "unknown name", unknown_name_hint(table, name, options_.snake_case));
        }
        continue;
      }
      if (options_.strict && std::find(seen.begin(), seen.end(), row) != seen.end()) {
        fault(view.name_mark(i), "given twice, in two spellings");
      }
      seen.push_back(row);
      if (!row->has(kOutput)) field(*row, row->in(message), view.value(i));
    }
  }

  void shorthand(const MessageTable& table, void* message, View view) {
    const FieldRow* row = shorthand_row(table);
    if (row != nullptr && view.text()) return value(*row, row->in(message), view);
    fault(view.mark(), view.describe() + " where named fields are expected");
  }

  void field(const FieldRow& row, void* member, View view) {
    if (view.is_null()) return;
    switch (row.shape) {
      case FieldShape::One: return value(row, member, view);
      case FieldShape::Optional: return value(row, row.container->add(member, {}), view);
      case FieldShape::List: return list(row, member, view);
      case FieldShape::Map: return map(row, member, view);
    }
  }

  void list(const FieldRow& row, void* member, View view) {
    if (!view.is_list()) {
      return fault(view.mark(), view.describe() + " where a list is expected", "put it in brackets: [...]");
    }
    row.container->clear(member);
    for (std::size_t i = 0; i < view.size(); ++i) {
      const Step step(path_, i);
      element(row, row.container->add(member, {}), view.item(i));
    }
  }

  void map(const FieldRow& row, void* member, View view) {
    if (!view.is_map()) return fault(view.mark(), view.describe() + " where a map of names to values is expected");
    row.container->clear(member);
    for (std::size_t i = 0; i < view.size(); ++i) {
      const Step step(path_, view.name(i));
      element(row, row.container->add(member, view.name(i)), view.value(i));
    }
  }

  // In a list or map nothing is not the same as absent.
  void element(const FieldRow& row, void* element, View view) {
    if (view.is_null()) return fault(view.mark(), "nothing where " + expected(row) + " is expected");
    value(row, element, view);
  }

  void value(const FieldRow& row, void* element, View view) {
    switch (row.kind) {
      case FieldKind::Message: return message(row.element->message(), element, view);
      case FieldKind::Bool: return number(row, element, view, view.boolean());
      case FieldKind::Int: return number(row, element, view, view.integer());
      case FieldKind::Uint: return number(row, element, view, view.unsigned_integer());
      case FieldKind::Double: return real(row, element, view);
      case FieldKind::Interval:
        if (View::kNumbersAreNanoseconds && view.integer()) return number(row, element, view, view.integer());
        break;
      default: break;
    }
    const auto text = view.text();
    const std::string wanted = text ? set_from_text(row, element, *text) : expected(row);
    if (!wanted.empty()) fault(view.mark(), view.describe() + " is not " + wanted);
  }

  template <class Number>
  void number(const FieldRow& row, void* element, View view, std::optional<Number> value) {
    if (value && row.element->store(element, static_cast<std::uint64_t>(*value))) return;
    fault(view.mark(), view.describe() + " is not " + expected(row));
  }

  void real(const FieldRow& row, void* element, View view) {
    const std::optional<double> value = view.real();
    if (!value) return fault(view.mark(), view.describe() + " is not " + expected(row));
    *static_cast<double*>(element) = *value;
  }

  void fault(typename View::Mark mark, std::string message, std::string hint = {}) {
    if (faults_.size() < kTreeFaultsMax) faults_.push_back({mark, path_, std::move(message), std::move(hint)});
  }

  TreeOptions options_;
  std::vector<Fault>& faults_;
  std::string path_;
  int depth_ = 0;
};

}  // namespace mesh
