// The command table of a program: one description of every verb, flag, argument and example, from which the parser, -h,
// --help, the man page, the completions and docs/cli.md are made. meshctl's table is meshctl() below, that of the
// daemons stands in daemon/. To add a verb to meshctl: add a Command to the list of its noun in cli/commands/ and, for
// a new noun, that list to meshctl() in cli/command_table.cc.
//
// All strings are literals that live for ever; the table is immutable and may be read by any thread.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace mesh::cli {

// meshctl's exit status, a promise to scripts.
enum class Exit : int { Ok = 0, Error = 1, Usage = 2, NotFound = 3, Denied = 4, Unreachable = 5, Timeout = 6 };

[[nodiscard]] Exit exit_of(Code code);

struct Flag {
  std::string_view name;                      // without the dashes: "json"
  std::string_view value = {};                // placeholder of its value, e.g. "FILE"; empty: a switch
  std::string_view help;                      // one line
  std::vector<std::string_view> choices = {};  // allowed values; empty: any
  bool repeated = false;                      // may be given several times
};

struct Argument {
  std::string_view name;  // upper case: "NAME"
  std::string_view help;
  bool optional = false;
  bool rest = false;      // takes all that follows
};

struct Example {
  std::string_view command;
  std::string_view what;
};

class Invocation;

struct Command {
  std::string_view path;  // words separated by one space: "services list"
  std::string_view summary;
  std::string_view details = {};
  std::vector<Argument> arguments = {};
  std::vector<Flag> flags = {};
  std::vector<Example> examples = {};
  // meshctl only. Runs on the main thread; what it prints to the Invocation is what the user sees.
  Status (*run)(Invocation&) = nullptr;
};

struct Program {
  std::string_view name;
  std::string_view summary;
  std::string_view exit_status;   // what its numbers mean, for the help
  std::vector<Flag> common;       // flags that every command has; "help" among them
  std::vector<Command> commands;  // in the order of the help, nouns together
};

[[nodiscard]] const Program& meshctl();

// A parsed command line. Values are checked against the table (choices, required arguments) but not interpreted.
struct Parsed {
  const Command* command = nullptr;
  std::map<std::string, std::vector<std::string>, std::less<>> flags{};
  std::vector<std::string> arguments{};
  bool help = false;
  std::string noun{};  // with help and no command: only the commands that begin with it; empty: all
};

// Errors: Code::Invalid with a message that names the word and, where there is one, the near miss.
[[nodiscard]] Result<Parsed> parse(std::span<const std::string> words, const Program& program);

}  // namespace mesh::cli
