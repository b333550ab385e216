// JSON text: a tree for what is read, a writer without a tree for what is written (RapidJSON stays behind json.cc).
// Values only; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace mesh {

class JsonValue;
class JsonWriter;
using JsonList = std::vector<JsonValue>;
using JsonMembers = std::vector<std::pair<std::string, JsonValue>>;

// A value that owns its children. Objects keep the order of the text. Default: null.
class JsonValue {
 public:
  JsonValue() = default;
  explicit JsonValue(bool value) : state_(value) {}
  explicit JsonValue(std::int64_t value) : state_(value) {}
  explicit JsonValue(std::uint64_t value) : state_(value) {}  // REQUIRES above int64 (parse_json uses int64 below)
  explicit JsonValue(double value) : state_(value) {}
  explicit JsonValue(std::string value) : state_(std::move(value)) {}
  explicit JsonValue(JsonList value) : state_(std::move(value)) {}
  explicit JsonValue(JsonMembers value) : state_(std::move(value)) {}

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::monostate>(state_); }
  [[nodiscard]] bool is_list() const { return std::holds_alternative<JsonList>(state_); }
  [[nodiscard]] bool is_object() const { return std::holds_alternative<JsonMembers>(state_); }
  [[nodiscard]] bool is_string() const { return std::holds_alternative<std::string>(state_); }

  // Nothing when the value is of another type. A number with a fraction of zero (8080.0) counts as an integer.
  [[nodiscard]] std::optional<bool> boolean() const;
  [[nodiscard]] std::optional<std::int64_t> integer() const;
  [[nodiscard]] std::optional<std::uint64_t> unsigned_integer() const;
  [[nodiscard]] std::optional<double> real() const;
  [[nodiscard]] std::optional<std::string_view> string() const;  // borrowed from this value

  // Empty when the value is of another type.
  [[nodiscard]] const JsonList& items() const;
  [[nodiscard]] const JsonMembers& members() const;

  // The member of exactly this name; null if there is none or this is no object.
  [[nodiscard]] const JsonValue* find(std::string_view name) const;

  // For messages: `text "abc"`, `number 7`, `a list`, ...; long text is cut.
  [[nodiscard]] std::string describe() const;

  void write_number(JsonWriter& out) const;  // a number as it is, anything else as null

 private:
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, JsonList, JsonMembers> state_;
};

struct JsonLimits {
  std::size_t size_max = std::size_t{1} << 20;  // bytes of text
  int depth_max = 64;                           // nested lists and objects
};

// One JSON text, UTF-8 checked, no comments, nothing after it but white space. A name that comes twice: the last wins.
// Code::Invalid with line and column of the first fault, or the limit that was passed.
[[nodiscard]] Result<JsonValue> parse_json(std::string_view text, const JsonLimits& limits = {});

// Appends JSON to a borrowed string. The caller keeps the grammar (each key followed by one value, each begin by its
// end); text that is not UTF-8 is replaced by U+FFFD where it is broken. Also escapes <, > and & as Consul does.
class JsonWriter {
 public:
  struct Options {
    bool pretty = false;  // four spaces, as Consul's ?pretty
  };
  explicit JsonWriter(std::string& out) : out_(out) {}
  JsonWriter(std::string& out, Options options) : out_(out), pretty_(options.pretty) {}

  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_list() { open('['); }
  void end_list() { close(']'); }
  void key(std::string_view name);
  void string(std::string_view value);
  void integer(std::int64_t value);
  void unsigned_integer(std::uint64_t value);
  void real(double value);  // shortest form that reads back; null if not finite
  void boolean(bool value);
  void null();
  void raw(std::string_view json);  // one complete value, rendered before

 private:
  void before_value();
  void open(char bracket);
  void close(char bracket);
  void new_line();

  std::string& out_;
  bool pretty_ = false;
  bool first_ = true;      // no value yet in the innermost list or object
  bool after_key_ = false;
  std::size_t depth_ = 0;
};

// Writes a tree.
void write_json(JsonWriter& out, const JsonValue& value);

}  // namespace mesh
