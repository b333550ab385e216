// YAML text as a tree in which every node knows where it stands (yaml-cpp stays behind yaml.cc). One document per
// text; anchors, aliases, merge keys and custom tags are refused, so a small file cannot grow large. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace mesh {

struct YamlMark {
  int line = 0;  // from 1; 0: unknown
  int column = 0;
};

// One fault of a text: where, what, and what to try.
struct YamlFinding {
  std::string file;
  YamlMark mark;
  std::string message;
  std::string hint;  // may be empty

  [[nodiscard]] std::string to_string() const;  // "file:line:column: message (hint)"
};

// Findings as one error, a line each, Code::Invalid; REQUIRES at least one.
[[nodiscard]] Error findings_error(const std::vector<YamlFinding>& findings);

class YamlNode {
 public:
  enum class Kind : std::uint8_t { Null, Scalar, List, Map };
  struct Entry;

  Kind kind = Kind::Null;
  bool quoted = false;  // scalar in quotes or a block: always text
  YamlMark mark;
  std::string scalar;
  std::vector<YamlNode> items;  // List
  std::vector<Entry> entries;   // Map, in the order of the text, names unique

  // Nothing when the node is not such a scalar. Quoted numbers and booleans count as text only.
  [[nodiscard]] std::optional<bool> boolean() const;  // true, false (YAML 1.2; not yes, no, on, off)
  [[nodiscard]] std::optional<std::int64_t> integer() const;
  [[nodiscard]] std::optional<std::uint64_t> unsigned_integer() const;
  [[nodiscard]] std::optional<double> real() const;

  [[nodiscard]] const YamlNode* find(std::string_view name) const;
  [[nodiscard]] std::string describe() const;  // for messages: `"abc"`, `a list`, `a map`, `nothing`
};

struct YamlNode::Entry {
  std::string name;
  YamlMark mark;
  YamlNode value;
};

struct YamlLimits {
  std::size_t size_max = std::size_t{4} << 20;  // bytes of text
  int depth_max = 32;                           // nested lists and maps
};

// The tree of `text`; `file` is only for messages. Duplicate keys are all collected; a fault of the grammar ends the
// reading. Gives what could be read (Null if nothing); the text is good if and only if nothing was added to `findings`.
[[nodiscard]] YamlNode parse_yaml(std::string_view text, std::string_view file, std::vector<YamlFinding>& findings,
                                  const YamlLimits& limits = {});

}  // namespace mesh
