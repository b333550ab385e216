#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/test.h"
#include "tests/unit/raft/script.h"

namespace mesh::raft {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> transcripts() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(MESH_TRANSCRIPTS))
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::string read_text(const fs::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

// The first line in which they differ, for a message that can be read.
std::string first_difference(const std::string& expected, const std::string& actual) {
  std::istringstream left(expected);
  std::istringstream right(actual);
  std::string a;
  std::string b;
  for (int line = 1;; ++line) {
    const bool more_a = static_cast<bool>(std::getline(left, a));
    const bool more_b = static_cast<bool>(std::getline(right, b));
    if (!more_a && !more_b) return "none";
    if (!more_a) a = "(end)";
    if (!more_b) b = "(end)";
    if (a != b) return "line " + std::to_string(line) + "\n  file: " + a + "\n  now:  " + b;
  }
}

TEST_CASE("every transcript runs as written") {
  REQUIRE_GE(transcripts().size(), 15U);
  for (const fs::path& path : transcripts()) {
    const std::string expected = read_text(path);
    const std::string actual = Script::renew(expected);
    if (std::getenv("MESH_REGENERATE") != nullptr) {
      std::ofstream(path) << actual;
      continue;
    }
    const bool same = expected == actual;
    DOCTEST_CHECK_MESSAGE(same, path.filename().string(), ": ", first_difference(expected, actual),
                   "\n(MESH_REGENERATE=1 writes the files anew; then review the diff)");
  }
}

}  // namespace
}  // namespace mesh::raft
