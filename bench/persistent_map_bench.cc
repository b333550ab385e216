// Memory and time of a PersistentMap of small rows, beside std::map. Prints one line per container.
// Usage: persistent_map_bench [ROWS]   (default 100,000)
#include <fmt/core.h>
#include <malloc.h>

#include <cstdlib>
#include <map>
#include <string>

#include "base/clock.h"
#include "base/persistent_map.h"

namespace {

using mesh::MonoTime;

std::string row_key(int i) { return fmt::format("service/web-{:06}/node", i * 7919 % 1'000'003); }

template <class Map, class Set>
void measure(const char* name, int rows, Set set) {
  const std::size_t before = mallinfo2().uordblks;
  const MonoTime start = mesh::mono_now();
  Map map;
  for (int i = 0; i < rows; ++i) set(map, row_key(i), static_cast<std::uint64_t>(i));
  const MonoTime filled = mesh::mono_now();
  const std::size_t bytes = mallinfo2().uordblks - before;
  fmt::print("{:<16} {} rows: {} bytes a row, {} ns an insert", name, rows,
             bytes / static_cast<std::size_t>(rows), (filled - start).count() / rows);
  if constexpr (!std::is_same_v<Map, std::map<std::string, std::uint64_t>>) {
    Map version = map;
    const MonoTime from = mesh::mono_now();
    for (int i = 0; i < rows; ++i) {
      const Map old = version;  // each change makes a version of its own
      version.set(row_key(i), 0);
    }
    fmt::print(", {} ns a published change", (mesh::mono_now() - from).count() / rows);
  }
  fmt::print("\n");
}

}  // namespace

int main(int argc, char** argv) {
  const int rows = argc > 1 ? std::atoi(argv[1]) : 100'000;
  using Persistent = mesh::PersistentMap<std::string, std::uint64_t>;
  using Standard = std::map<std::string, std::uint64_t>;
  measure<Persistent>("persistent_map", rows,
                      [](Persistent& m, std::string k, std::uint64_t v) { m.set(std::move(k), v); });
  measure<Standard>("std::map", rows,
                    [](Standard& m, std::string k, std::uint64_t v) { m[std::move(k)] = v; });
  return 0;
}
