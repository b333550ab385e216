// Runs a fuzz target once over the files of the folders given, in builds without libFuzzer. Exit status 1 if a folder
// cannot be read or holds nothing: a target without seeds tests nothing.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>

#include "base/file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr mesh::ByteCount kInputMax{1 << 20};

// Inputs run, or -1 after a message.
int replay(const std::string& folder) {
  int inputs = 0;
  std::error_code cause;
  for (const auto& entry : std::filesystem::directory_iterator(folder, cause)) {
    const auto input = mesh::read_file(entry.path().string(), kInputMax);
    if (!input.ok()) {
      std::fprintf(stderr, "%s\n", input.error().message.c_str());
      return -1;
    }
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input->data()), input->size());
    ++inputs;
  }
  if (cause) std::fprintf(stderr, "%s: %s\n", folder.c_str(), cause.message().c_str());
  return cause ? -1 : inputs;
}

}  // namespace

int main(int argc, char** argv) {
  int inputs = 0;
  for (int i = 1; i < argc; ++i) {
    const int run = replay(argv[i]);
    if (run < 0) return 1;
    inputs += run;
  }
  std::printf("%d inputs\n", inputs);
  return inputs > 0 ? 0 : 1;
}
