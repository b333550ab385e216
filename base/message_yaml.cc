#include "base/message_yaml.h"

#include "base/message_tree.h"

namespace mesh {
namespace {

class YamlView {
 public:
  using Mark = YamlMark;
  static constexpr bool kNumbersAreNanoseconds = false;  // "interval: 5" more likely means seconds

  explicit YamlView(const YamlNode& node) : node_(&node) {}

  [[nodiscard]] Mark mark() const { return node_->mark; }
  [[nodiscard]] Mark name_mark(std::size_t i) const { return node_->entries[i].mark; }
  [[nodiscard]] bool is_null() const { return node_->kind == YamlNode::Kind::Null; }
  [[nodiscard]] bool is_list() const { return node_->kind == YamlNode::Kind::List; }
  [[nodiscard]] bool is_map() const { return node_->kind == YamlNode::Kind::Map; }
  [[nodiscard]] std::string describe() const { return node_->describe(); }
  [[nodiscard]] std::size_t size() const { return is_list() ? node_->items.size() : node_->entries.size(); }
  [[nodiscard]] YamlView item(std::size_t i) const { return YamlView(node_->items[i]); }
  [[nodiscard]] std::string_view name(std::size_t i) const { return node_->entries[i].name; }
  [[nodiscard]] YamlView value(std::size_t i) const { return YamlView(node_->entries[i].value); }
  [[nodiscard]] auto boolean() const { return node_->boolean(); }
  [[nodiscard]] auto integer() const { return node_->integer(); }
  [[nodiscard]] auto unsigned_integer() const { return node_->unsigned_integer(); }
  [[nodiscard]] auto real() const { return node_->real(); }
  // A scalar without quotes is text too where text is wanted: `tags: [1.10]` keeps its zero.
  [[nodiscard]] std::optional<std::string_view> text() const {
    return node_->kind == YamlNode::Kind::Scalar ? std::optional<std::string_view>(node_->scalar) : std::nullopt;
  }

 private:
  const YamlNode* node_;
};

}  // namespace

void read_yaml_message(const YamlNode& node, std::string_view file, const MessageTable& table, void* message,
                       std::vector<YamlFinding>& findings) {
  std::vector<TreeFault<YamlMark>> faults;
  TreeReader<YamlView>({.strict = true, .snake_case = true}, faults).message(table, message, YamlView(node));
  for (TreeFault<YamlMark>& fault : faults) {
    std::string text = fault.path.empty() ? std::move(fault.message) : fault.path + ": " + fault.message;
    findings.push_back({std::string(file), fault.mark, std::move(text), std::move(fault.hint)});
  }
}

}  // namespace mesh
