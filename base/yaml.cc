#include "base/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <string>
#include <unordered_set>

#include "base/check.h"
#include "base/utf8.h"

namespace mesh {
namespace {

constexpr std::size_t kDescribedTextMax = 40;  // bytes of a value shown in a message

YamlMark mark_of(const YAML::Mark& mark) { return {mark.line + 1, mark.column + 1}; }

template <class Number>
std::optional<Number> whole(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  Number value{};
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// Whether the quoted scalar at the front of `text` has its closing quote; true for all else. yaml-cpp 0.7 takes a text
// that ends in a line break for the end of a scalar, so a forgotten quote would swallow the rest of a file.
bool is_closed(std::string_view text) {
  if (!text.starts_with('"') && !text.starts_with('\'')) return true;
  const char quote = text.front();
  for (std::size_t i = 1; i < text.size(); ++i) {
    const bool escape = quote == '"' ? text[i] == '\\' : text.substr(i).starts_with("''");
    if (escape) {
      ++i;
    } else if (text[i] == quote) {
      return true;
    }
  }
  return false;
}

// Builds the tree from yaml-cpp's events; the names of the handlers are its own. What cannot be used becomes a finding
// and a Null, so the reading goes on.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(std::string_view text, std::string_view file, std::vector<YamlFinding>& findings,
              const YamlLimits& limits)
      : text_(text), file_(file), findings_(findings), depth_max_(static_cast<std::size_t>(limits.depth_max)) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    YamlNode node;
    node.mark = mark_of(mark);
    put(std::move(node));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    finding(mark_of(mark), "aliases are not supported", "write the value out");
    OnNull(mark, YAML::NullAnchor);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    if (!is_utf8(value)) finding(mark_of(mark), "text is not UTF-8");
    if (tag == "!" && !is_closed(text_.substr(std::min(static_cast<std::size_t>(mark.pos), text_.size())))) {
      finding(mark_of(mark), "the quote is never closed");
    }
    YamlNode node;
    node.kind = YamlNode::Kind::Scalar;
    node.quoted = tag == "!";
    node.mark = mark_of(mark);
    node.scalar = value;
    put(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::List);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::Map);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

  void finding(YamlMark mark, std::string message, std::string hint = {}) {
    findings_.push_back({std::string(file_), mark, std::move(message), std::move(hint)});
  }
  YamlNode take() { return std::move(root_); }

 private:
  struct Open {
    YamlNode node;
    bool has_name = false;  // of a map: the next value belongs to `name`
    std::string name;
    YamlMark name_mark;
    std::unordered_set<std::string> names;
  };

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) finding(mark_of(mark), "anchors are not supported", "remove the &name");
  }

  // yaml-cpp gives "?" to plain and "!" to quoted scalars without a tag of their own.
  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (!tag.empty() && tag != "?" && tag != "!") finding(mark_of(mark), "tags are not supported: " + tag);
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind) {
    if (open_.size() >= depth_max_) {
      if (too_deep_++ == 0) finding(mark_of(mark), fmt::format("nested over {} deep", depth_max_));
      return;
    }
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    Open& opened = open_.emplace_back();
    opened.node.kind = kind;
    opened.node.mark = mark_of(mark);
  }

  void close() {
    if (too_deep_ > 0) {
      --too_deep_;
      return;
    }
    YamlNode node = std::move(open_.back().node);
    open_.pop_back();
    put(std::move(node));
  }

  void put(YamlNode node) {
    if (too_deep_ > 0) return;
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node.kind == YamlNode::Kind::List) {
      parent.node.items.push_back(std::move(node));
    } else if (parent.has_name) {
      parent.has_name = false;
      put_entry(parent, std::move(node));
    } else {
      if (node.kind != YamlNode::Kind::Scalar) finding(node.mark, "a name is expected, not " + node.describe());
      parent.has_name = true;
      parent.name = node.scalar;
      parent.name_mark = node.mark;
    }
  }

  void put_entry(Open& parent, YamlNode value) {
    if (!parent.names.insert(parent.name).second) {
      finding(parent.name_mark, fmt::format("{} is given twice", parent.name), "keep one of them");
      return;
    }
    if (value.kind == YamlNode::Kind::Null) value.mark = parent.name_mark;  // yaml-cpp gives the next token's
    parent.node.entries.push_back({std::move(parent.name), parent.name_mark, std::move(value)});
  }

  std::string_view text_;
  std::string_view file_;
  std::vector<YamlFinding>& findings_;
  std::size_t depth_max_;
  std::size_t too_deep_ = 0;  // open lists and maps beyond the limit
  std::vector<Open> open_;
  YamlNode root_;
};

// yaml-cpp reports faults by exceptions; none leaves here.
void read_document(std::string_view text, TreeBuilder& builder) {
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return;
    std::vector<YamlFinding> ignored;
    TreeBuilder second({}, {}, ignored, {});
    if (parser.HandleNextDocument(second)) builder.finding({}, "more than one document", "remove what follows ---");
  } catch (const YAML::Exception& fault) {
    builder.finding(mark_of(fault.mark), fault.msg);
  } catch (const std::exception& fault) {
    builder.finding({}, fault.what());
  }
}

}  // namespace

std::string YamlFinding::to_string() const {
  std::string text = file;
  if (mark.line > 0) text += fmt::format(":{}:{}", mark.line, mark.column);
  text += ": " + message;
  if (!hint.empty()) text += " (" + hint + ")";
  return text;
}

Error findings_error(const std::vector<YamlFinding>& findings) {
  CHECK(!findings.empty(), "an error of no findings");
  std::string text;
  for (const YamlFinding& finding : findings) {
    if (!text.empty()) text += '\n';
    text += finding.to_string();
  }
  return Error{Code::Invalid, std::move(text)};
}

std::optional<bool> YamlNode::boolean() const {
  if (kind != Kind::Scalar || quoted) return std::nullopt;
  if (scalar == "true" || scalar == "True" || scalar == "TRUE") return true;
  if (scalar == "false" || scalar == "False" || scalar == "FALSE") return false;
  return std::nullopt;
}

std::optional<std::int64_t> YamlNode::integer() const {
  return kind == Kind::Scalar && !quoted ? whole<std::int64_t>(scalar) : std::nullopt;
}

std::optional<std::uint64_t> YamlNode::unsigned_integer() const {
  return kind == Kind::Scalar && !quoted ? whole<std::uint64_t>(scalar) : std::nullopt;
}

std::optional<double> YamlNode::real() const {
  return kind == Kind::Scalar && !quoted ? whole<double>(scalar) : std::nullopt;
}

const YamlNode* YamlNode::find(std::string_view name) const {
  for (const Entry& entry : entries) {
    if (entry.name == name) return &entry.value;
  }
  return nullptr;
}

std::string YamlNode::describe() const {
  switch (kind) {
    case Kind::Null: return "nothing";
    case Kind::List: return "a list";
    case Kind::Map: return "a map";
    case Kind::Scalar: break;
  }
  const bool cut = scalar.size() > kDescribedTextMax;
  const std::string shown = cut ? scalar.substr(0, kDescribedTextMax) + "..." : scalar;
  return quoted ? "text \"" + shown + "\"" : "\"" + shown + "\"";
}

YamlNode parse_yaml(std::string_view text, std::string_view file, std::vector<YamlFinding>& findings,
                    const YamlLimits& limits) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // byte order mark
  TreeBuilder builder(text, file, findings, limits);
  if (text.size() > limits.size_max) {
    builder.finding({}, fmt::format("{} bytes are over the limit of {}", text.size(), limits.size_max));
    return {};
  }
  if (!is_utf8(text) || text.find('\0') != std::string_view::npos) {
    builder.finding({}, "the text is not UTF-8, or holds a zero byte");
    return {};
  }
  read_document(text, builder);
  return builder.take();
}

}  // namespace mesh
