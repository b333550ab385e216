#include "cli/help.h"

#include <fmt/format.h>

namespace mesh::cli {
namespace {

std::string flag_usage(const Flag& flag) {
  return flag.value.empty() ? fmt::format("--{}", flag.name) : fmt::format("--{} {}", flag.name, flag.value);
}

std::string flag_help(const Flag& flag) {
  if (flag.choices.empty()) return std::string(flag.help);
  return fmt::format("{} ({})", flag.help, fmt::join(flag.choices, ", "));
}

std::string argument_usage(const Argument& argument) {
  const std::string name = argument.rest ? fmt::format("{}...", argument.name) : std::string(argument.name);
  return argument.optional ? fmt::format("[{}]", name) : name;
}

std::size_t widest_path(const Program& program) {
  std::size_t width = 0;
  for (const Command& command : program.commands) width = std::max(width, command.path.size());
  return width;
}

std::string_view noun_of(const Command& command) { return command.path.substr(0, command.path.find(' ')); }

bool has_verb(const Command& command) { return command.path.find(' ') != std::string_view::npos; }

template <class Items, class Left, class Right>
void append_columns(std::string& out, const Items& items, Left left, Right right) {
  std::size_t width = 0;
  for (const auto& item : items) width = std::max(width, left(item).size());
  for (const auto& item : items) out += fmt::format("  {:<{}}  {}\n", left(item), width, right(item));
}

// roff takes a leading '.' or '\'' as a request and '\' as an escape.
std::string roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') out += "\\\\";
    else if (c == '-') out += "\\-";
    else out += c;
  }
  if (!out.empty() && (out.front() == '.' || out.front() == '\'')) out.insert(0, "\\&");
  return out;
}

}  // namespace

std::string usage_line(const Program& program, const Command& command) {
  std::string out = fmt::format("{} {}", program.name, command.path);
  for (const Argument& argument : command.arguments) out += ' ' + argument_usage(argument);
  for (const Flag& flag : command.flags) out += fmt::format(" [{}]", flag_usage(flag));
  return out;
}

std::string overview_text(const Program& program, std::string_view noun) {
  std::string out = noun.empty() ? fmt::format("{0}: {1}\n\nUsage: {0} COMMAND [FLAGS]\n\n", program.name, program.summary)
                                 : fmt::format("Usage: {} {} VERB [FLAGS]\n\n", program.name, noun);
  const std::size_t width = widest_path(program);
  const Command* last = nullptr;
  for (const Command& command : program.commands) {
    if (!noun.empty() && noun_of(command) != noun) continue;
    // Nouns with several verbs stand apart.
    if (last != nullptr && noun_of(*last) != noun_of(command) && (has_verb(*last) || has_verb(command))) out += '\n';
    last = &command;
    out += fmt::format("  {:<{}}  {}\n", command.path, width, command.summary);
  }
  out += "\nEvery command takes:\n";
  append_columns(out, program.common, flag_usage, flag_help);
  if (noun.empty()) out += fmt::format("\nExit status: {}\n", program.exit_status);
  else out += '\n';
  out += fmt::format("'{} COMMAND --help' shows its flags and examples.\n", program.name);
  return out;
}

std::string command_text(const Program& program, const Command& command) {
  std::string out = fmt::format("{}\n\nUsage: {}\n", command.summary, usage_line(program, command));
  if (!command.details.empty()) out += fmt::format("\n{}\n", command.details);
  if (!command.arguments.empty()) {
    out += "\nArguments:\n";
    append_columns(out, command.arguments, argument_usage, [](const Argument& a) { return a.help; });
  }
  if (!command.flags.empty()) {
    out += "\nFlags:\n";
    append_columns(out, command.flags, flag_usage, flag_help);
  }
  out += "\nCommon flags:\n";
  append_columns(out, program.common, flag_usage, flag_help);
  out += "\nExamples:\n";
  for (const Example& example : command.examples) out += fmt::format("  {}\n      {}\n", example.command, example.what);
  return out;
}

std::string man_page(const Program& program) {
  std::string title(program.name);
  for (char& c : title) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  std::string out = fmt::format(
      ".TH {} 1\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n.B {}\nCOMMAND [FLAGS]\n.SH COMMANDS\n", title, program.name,
      roff(program.summary), program.name);
  for (const Command& command : program.commands) {
    out += fmt::format(".SS \"{}\"\n{}\n", roff(usage_line(program, command)), roff(command.summary));
    if (!command.details.empty()) out += fmt::format(".PP\n{}\n", roff(command.details));
    for (const Argument& argument : command.arguments)
      out += fmt::format(".TP\n.I {}\n{}\n", roff(argument_usage(argument)), roff(argument.help));
    for (const Flag& flag : command.flags)
      out += fmt::format(".TP\n.B {}\n{}\n", roff(flag_usage(flag)), roff(flag_help(flag)));
    for (const Example& example : command.examples)
      out += fmt::format(".PP\n.B {}\n.br\n{}\n", roff(example.command), roff(example.what));
  }
  out += ".SH \"COMMON FLAGS\"\n";
  for (const Flag& flag : program.common)
    out += fmt::format(".TP\n.B {}\n{}\n", roff(flag_usage(flag)), roff(flag_help(flag)));
  out += fmt::format(".SH \"EXIT STATUS\"\n{}\n", roff(program.exit_status));
  return out;
}

std::string bash_completion(const Program& program) {
  std::string table;
  for (const Command& command : program.commands) {
    std::string flags;
    for (const Flag& flag : command.flags) flags += fmt::format(" --{}", flag.name);
    for (const Flag& flag : program.common) flags += fmt::format(" --{}", flag.name);
    table += fmt::format("    [{}]=\"{}\"\n", fmt::format("\"{}\"", command.path), flags.substr(1));
  }
  return fmt::format(
      "# bash completion of {1}, made from its command table\n"
      "_{1}() {{\n"
      "  local -A flags=(\n{0}  )\n"
      "  local word=\"${{COMP_WORDS[COMP_CWORD]}}\" typed=\"${{COMP_WORDS[*]:1:COMP_CWORD-1}}\" path best=''\n"
      "  for path in \"${{!flags[@]}}\"; do\n"
      "    [[ \"$typed \" == \"$path \"* && ${{#path}} -gt ${{#best}} ]] && best=$path\n"
      "  done\n"
      "  if [[ -n $best ]]; then COMPREPLY=($(compgen -W \"${{flags[$best]}}\" -- \"$word\")); return; fi\n"
      "  local next=()\n"
      "  for path in \"${{!flags[@]}}\"; do\n"
      "    [[ -z $typed ]] && next+=(\"${{path%% *}}\")\n"
      "    [[ -n $typed && $path == \"$typed \"* ]] && next+=(\"${{path#\"$typed \"}}\")\n"
      "  done\n"
      "  COMPREPLY=($(compgen -W \"${{next[*]}}\" -- \"$word\"))\n"
      "}}\n"
      "complete -F _{1} {1}\n",
      table, program.name);
}

std::string markdown(const Program& program) {
  std::string out = fmt::format("# {0}\n\nMade from the command table by `{0} completion --format markdown`.\n\n", program.name);
  out += fmt::format("Exit status: {}.\n\nEvery command takes: ", program.exit_status);
  for (const Flag& flag : program.common) out += fmt::format("`{}` ({}); ", flag_usage(flag), flag_help(flag));
  out.resize(out.size() - 2);
  out += ".\n";
  for (const Command& command : program.commands) {
    out += fmt::format("\n## {}\n\n`{}`\n\n{}\n", command.path, usage_line(program, command), command.summary);
    if (!command.details.empty()) out += fmt::format("\n{}\n", command.details);
    out += '\n';
    for (const Argument& argument : command.arguments)
      out += fmt::format("- `{}`: {}\n", argument_usage(argument), argument.help);
    for (const Flag& flag : command.flags) out += fmt::format("- `{}`: {}\n", flag_usage(flag), flag_help(flag));
    for (const Example& example : command.examples)
      out += fmt::format("- Example: `{}` {}\n", example.command, example.what);
  }
  return out;
}

}  // namespace mesh::cli
