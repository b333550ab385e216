// The only file that knows CLI11: it parses the flags and arguments of one command as the table describes them.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include <algorithm>
#include <deque>
#include <optional>

#include "base/near_miss.h"
#include "cli/command.h"

namespace mesh::cli {
namespace {

std::string suggestion(std::string_view word, const std::vector<std::string_view>& known) {
  const auto near = near_miss(word, known);
  return near ? fmt::format("; did you mean '{}'?", *near) : std::string();
}

std::string suggestion_or(std::string_view word, const std::vector<std::string_view>& known, std::string otherwise) {
  std::string near = suggestion(word, known);
  return near.empty() ? std::move(otherwise) : near;
}

std::vector<std::string_view> words_of(std::string_view path) {
  std::vector<std::string_view> words;
  while (!path.empty()) {
    const auto space = path.find(' ');
    words.push_back(path.substr(0, space));
    path = space == std::string_view::npos ? std::string_view() : path.substr(space + 1);
  }
  return words;
}

struct Match {
  const Command* command = nullptr;
  std::size_t words = 0;
};

// The command whose path is the longest prefix of the words given.
Match find_command(std::span<const std::string> words, const Program& program) {
  Match best;
  for (const Command& command : program.commands) {
    const auto path = words_of(command.path);
    if (path.size() > words.size() || path.size() <= best.words) continue;
    if (std::equal(path.begin(), path.end(), words.begin())) best = {&command, path.size()};
  }
  return best;
}

bool is_noun(std::string_view word, const Program& program) {
  return std::any_of(program.commands.begin(), program.commands.end(),
                     [&](const Command& command) { return words_of(command.path).front() == word; });
}

bool asks_help(std::string_view word) { return word == "--help" || word == "-h" || word == "help"; }

// 'help', 'help NOUN', 'help COMMAND' and 'NOUN --help'; a command's own --help is one of its flags.
std::optional<Parsed> help_of(std::span<const std::string> words, const Program& program) {
  const bool first = words.empty() || asks_help(words.front());
  const auto rest = first && !words.empty() ? words.subspan(1) : words;
  const Match match = find_command(rest, program);
  if (first && match.command != nullptr) return Parsed{.command = match.command, .help = true};
  const bool noun = !rest.empty() && is_noun(rest.front(), program);
  if (!first && (!noun || match.command != nullptr || rest.size() < 2 || !asks_help(rest[1]))) return std::nullopt;
  return Parsed{.help = true, .noun = noun ? rest.front() : std::string()};
}

// REQUIRES words.
Error no_such_command(std::span<const std::string> words, const Program& program) {
  std::vector<std::string_view> nouns, verbs;
  for (const Command& command : program.commands) {
    const auto path = words_of(command.path);
    nouns.push_back(path.front());
    if (path.size() > 1 && path.front() == words.front()) verbs.push_back(path[1]);
  }
  if (verbs.empty())
    return error(Code::Invalid, "there is no command '{}'{}", words.front(),
                 suggestion_or(words.front(), nouns, fmt::format("; '{} --help' lists them", program.name)));
  if (words.size() == 1)
    return error(Code::Invalid, "'{}' needs a verb: {}", words.front(), fmt::format("{}", fmt::join(verbs, ", ")));
  return error(Code::Invalid, "'{}' has no verb '{}'{}", words.front(), words[1],
               suggestion_or(words[1], verbs, fmt::format("; it has {}", fmt::join(verbs, ", "))));
}

std::vector<Flag> flags_of(const Program& program, const Command& command) {
  std::vector<Flag> flags(command.flags);
  flags.insert(flags.end(), program.common.begin(), program.common.end());
  return flags;
}

// What CLI11 fills in; deque: it keeps references to the elements.
struct Sinks {
  std::deque<std::pair<Flag, std::vector<std::string>>> values;
  std::deque<std::pair<Flag, bool>> switches;
  std::deque<std::vector<std::string>> arguments;
};

void describe_flag(CLI::App& app, Sinks& sinks, const Flag& flag) {
  const std::string name = flag.name == "help" ? "-h,--help" : fmt::format("--{}", flag.name);
  if (flag.value.empty()) {
    app.add_flag(name, sinks.switches.emplace_back(flag, false).second);
    return;
  }
  auto* option = app.add_option(name, sinks.values.emplace_back(flag, std::vector<std::string>()).second);
  option->expected(1)->allow_extra_args(false)->type_name(std::string(flag.value));
  if (flag.repeated) option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  if (!flag.choices.empty())
    option->check([choices = flag.choices](const std::string& value) -> std::string {
      if (std::find(choices.begin(), choices.end(), value) != choices.end()) return {};
      return fmt::format("'{}' is none of {}{}", value, fmt::join(choices, ", "), suggestion(value, choices));
    });
}

void describe_argument(CLI::App& app, Sinks& sinks, const Argument& argument) {
  auto* option = app.add_option(std::string(argument.name), sinks.arguments.emplace_back());
  if (!argument.rest) option->expected(1)->allow_extra_args(false);
}

Error unknown_word(const Program& program, const Command& command, const std::vector<std::string>& extras) {
  const std::string& word = extras.front();
  if (!word.starts_with('-'))
    return error(Code::Invalid, "'{}' does not take the argument '{}'", command.path, word);
  std::vector<std::string> known;
  for (const Flag& flag : flags_of(program, command)) known.push_back(fmt::format("--{}", flag.name));
  const std::vector<std::string_view> views(known.begin(), known.end());
  return error(Code::Invalid, "'{}' has no flag '{}'{}", command.path, word,
               suggestion_or(word.substr(0, word.find('=')), views, fmt::format("; '{} {} --help' shows those it has", program.name, command.path)));
}

Status missing_argument(const Command& command, const Sinks& sinks) {
  for (std::size_t i = 0; i < command.arguments.size(); ++i) {
    if (!command.arguments[i].optional && sinks.arguments[i].empty())
      return error(Code::Invalid, "'{}' needs {}: {}", command.path, command.arguments[i].name,
                   command.arguments[i].help);
  }
  return {};
}

Parsed collect(const Command& command, Sinks& sinks) {
  Parsed parsed{.command = &command};
  for (auto& [flag, given] : sinks.switches)
    if (given) parsed.flags[std::string(flag.name)];
  for (auto& [flag, values] : sinks.values)
    if (!values.empty()) parsed.flags[std::string(flag.name)] = std::move(values);
  for (auto& values : sinks.arguments) parsed.arguments.insert(parsed.arguments.end(), values.begin(), values.end());
  parsed.help = parsed.flags.contains("help");
  return parsed;
}

Result<Parsed> parse_command(const Program& program, const Command& command, std::vector<std::string> rest) {
  CLI::App app;
  app.set_help_flag();
  app.allow_extras();
  Sinks sinks;
  for (const Flag& flag : flags_of(program, command)) describe_flag(app, sinks, flag);
  for (const Argument& argument : command.arguments) describe_argument(app, sinks, argument);
  std::reverse(rest.begin(), rest.end());  // CLI11 takes the words last first
  try {
    app.parse(std::move(rest));
  } catch (const CLI::ParseError& failure) {
    return error(Code::Invalid, "'{}': {}", command.path, failure.what());
  }
  Parsed parsed = collect(command, sinks);
  if (parsed.help) return parsed;
  auto extras = app.remaining();
  std::erase(extras, "--");  // where the flags end; CLI11 counts it as a word
  if (!extras.empty()) return unknown_word(program, command, extras);
  MESH_TRY_STATUS(missing_argument(command, sinks));
  return parsed;
}

}  // namespace

Result<Parsed> parse(std::span<const std::string> words, const Program& program) {
  if (auto help = help_of(words, program)) return std::move(*help);
  if (words.size() == 1 && words.front() == "--version" && is_noun("version", program)) return parse(std::vector<std::string>{"version"}, program);
  const Match match = find_command(words, program);
  if (match.command == nullptr) return no_such_command(words, program);
  const auto rest = words.subspan(match.words);
  return parse_command(program, *match.command, std::vector<std::string>(rest.begin(), rest.end()));
}

}  // namespace mesh::cli
