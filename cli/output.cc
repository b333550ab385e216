#include "cli/output.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace mesh::cli {
namespace {

// Terminal columns of UTF-8 text: bytes that are not continuation bytes. Wide characters count as one.
std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

void append_row(std::string& out, const std::vector<std::string>& cells, const std::vector<std::size_t>& widths) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    line += cells[i];
    if (i + 1 < cells.size()) line.append(widths[i] - columns(cells[i]) + 2, ' ');
  }
  line.erase(line.find_last_not_of(' ') + 1);
  out += line + '\n';
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = '?';
  }
  return out;
}

void Table::add(std::vector<std::string> cells) {
  CHECK(cells.size() == heads_.size(), "{} cells under {} heads", cells.size(), heads_.size());
  for (std::string& cell : cells) cell = printable(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  std::vector<std::size_t> widths(heads_.size());
  for (std::size_t i = 0; i < heads_.size(); ++i) {
    widths[i] = columns(heads_[i]);
    for (const auto& row : rows_) widths[i] = std::max(widths[i], columns(row[i]));
  }
  std::string out;
  append_row(out, heads_, widths);
  for (const auto& row : rows_) append_row(out, row, widths);
  return out;
}

}  // namespace mesh::cli
