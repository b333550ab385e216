// What meshctl prints: tables for people, JSON for programs. Main thread only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mesh::cli {

// Columns padded to their widest cell, two spaces apart, no trailing blanks. Control characters in cells are shown as
// '?', so that a name from the network cannot steer a terminal.
class Table {
 public:
  explicit Table(std::vector<std::string> heads) : heads_(std::move(heads)) {}

  // REQUIRES as many cells as heads.
  void add(std::vector<std::string> cells);

  [[nodiscard]] std::string text() const;

 private:
  std::vector<std::string> heads_;
  std::vector<std::vector<std::string>> rows_;
};

[[nodiscard]] std::string printable(std::string_view text);

}  // namespace mesh::cli
