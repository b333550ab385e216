#include <unistd.h>

#include <cstdio>

#include "cli/help.h"
#include "cli/invocation.h"

namespace mesh::cli {
namespace {

void print(std::FILE* to, std::string_view text) { std::fwrite(text.data(), 1, text.size(), to); }

Exit fail(const Error& failure, bool json) {
  if (json) {
    std::string text;
    JsonWriter writer(text);
    write_json(writer, JsonValue(JsonMembers{{"Error", JsonValue(failure.message)},
                                             {"Code", JsonValue(std::string(code_name(failure.code)))}}));
    print(stderr, text + '\n');
  } else {
    print(stderr, fmt::format("meshctl: {}\n", failure.message));
  }
  return exit_of(failure.code);
}

Exit run(std::span<const std::string> words) {
  auto parsed = parse(words, meshctl());
  if (!parsed.ok()) return fail(parsed.error(), false);
  if (parsed->help) {
    print(stdout, parsed->command == nullptr ? overview_text(meshctl(), parsed->noun)
                                              : command_text(meshctl(), *parsed->command));
    return Exit::Ok;
  }
  const Command& command = *parsed->command;
  Invocation invocation(std::move(parsed).value());
  const Status status = command.run(invocation);
  print(stdout, invocation.out());
  if (!status.ok()) return fail(status.error(), invocation.json());
  return invocation.exit();
}

}  // namespace
}  // namespace mesh::cli

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const auto exit = mesh::cli::run(words);
  std::fflush(stdout);
  return static_cast<int>(exit);
}
