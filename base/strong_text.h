// Strong text types: two identifiers that are both text must not be exchangeable.
//
//   struct NodeIdTag;  using NodeId = mesh::StrongText<NodeIdTag>;
//
// A plain value: any thread. It converts to string_view by itself (to log, look up, compare); making one is explicit.
#pragma once

#include <compare>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace mesh {

template <class Tag>
class StrongText {
 public:
  using StrongTextTag = Tag;

  StrongText() = default;
  explicit StrongText(std::string text) : text_(std::move(text)) {}
  explicit StrongText(std::string_view text) : text_(text) {}
  explicit StrongText(const char* text) : text_(text) {}

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] bool empty() const { return text_.empty(); }
  operator std::string_view() const { return text_; }  // NOLINT: implicit on purpose

  friend bool operator==(const StrongText&, const StrongText&) = default;
  friend auto operator<=>(const StrongText&, const StrongText&) = default;

 private:
  std::string text_;
};

}  // namespace mesh

template <class Tag>
struct std::hash<mesh::StrongText<Tag>> {
  std::size_t operator()(const mesh::StrongText<Tag>& v) const noexcept {
    return std::hash<std::string_view>{}(v.text());
  }
};
