#include "cli/client.h"
#include "cli/command.h"
#include "cli/help.h"
#include "cli/output.h"
#include "tests/test.h"

namespace mesh::cli {
namespace {

Result<Parsed> parse_words(std::vector<std::string> words) { return parse(words, meshctl()); }

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST_CASE("a command line is parsed by the table") {
  const Parsed parsed = parse_words({"kv", "put", "a/b", "1", "--cas", "7", "--json"}).value();
  EXPECT_EQ(parsed.command->path, "kv put");
  EXPECT_EQ(parsed.arguments, std::vector<std::string>{"a/b", "1"});
  EXPECT_EQ(parsed.flags.find("cas")->second, std::vector<std::string>{"7"});
  EXPECT(parsed.flags.contains("json"));
}

TEST_CASE("values may begin with a dash after --, and flags take --name=value") {
  EXPECT_EQ(parse_words({"kv", "put", "a", "--", "-1"}).value().arguments, std::vector<std::string>{"a", "-1"});
  EXPECT_EQ(parse_words({"health", "--state=critical"}).value().flags.find("state")->second.back(), "critical");
}

TEST_CASE("what is mistyped gets its near miss") {
  const struct {
    std::vector<std::string> words;
    std::string_view told;
  } cases[] = {
      {{"servces", "list"}, "did you mean 'services'?"},
      {{"services", "lits"}, "did you mean 'list'?"},
      {{"nodes", "--jsn"}, "did you mean '--json'?"},
      {{"services"}, "needs a verb: list, show, register, deregister"},
      {{"kv", "get"}, "'kv get' needs KEY"},
      {{"nodes", "extra"}, "does not take the argument 'extra'"},
      {{"services", "xyzzy"}, "it has list, show, register, deregister"},
      {{"nodes", "--xyzzy"}, "'meshctl nodes --help' shows those it has"},
      {{"health", "--state", "bad"}, "'bad' is none of any, passing, warning, critical"},
      {{"health", "--state", "critcal"}, "did you mean 'critical'?"},
      {{"health", "--state"}, "STATE missing"},
      {{"xyzzy"}, "there is no command 'xyzzy'; 'meshctl --help' lists them"},
      {{"services", "list", "--version"}, "has no flag '--version'"},
  };
  for (const auto& row : cases) {
    const auto parsed = parse_words(row.words);
    REQUIRE(!parsed.ok());
    EXPECT_EQ(exit_of(parsed.error().code), Exit::Usage);
    CAPTURE(error_text(parsed));
    EXPECT(has(error_text(parsed), row.told));
  }
}

TEST_CASE("help is asked for before and after a command") {
  EXPECT(parse_words({}).value().help);
  EXPECT(parse_words({"--help"}).value().help);
  const Parsed parsed = parse_words({"kv", "get", "--help"}).value();  // KEY is missing, which does not matter
  EXPECT(parsed.help);
  EXPECT_EQ(parsed.command->path, "kv get");
}

TEST_CASE("a noun's help shows its verbs, and help may be the first word") {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"kv", "--help"}, {"kv", "-h"}, {"kv", "help"}, {"help", "kv"}}) {
    const auto parsed = parse_words(words);
    REQUIRE(parsed.ok());
    EXPECT(parsed->help);
    EXPECT_EQ(parsed->noun, "kv");
  }
  const std::string text = overview_text(meshctl(), "kv");
  EXPECT(has(text, "kv get"));
  EXPECT(!has(text, "services list"));
  EXPECT_EQ(parse_words({"help", "kv", "get"}).value().command->path, "kv get");
  EXPECT_EQ(parse_words({"help", "xyzzy"}).value().noun, "");
  EXPECT_EQ(parse_words({"kv", "get", "help"}).value().arguments, std::vector<std::string>{"help"});
  EXPECT_EQ(parse_words({"--version"}).value().command->path, "version");
}

TEST_CASE("every command has a summary, an example that parses, and something to run") {
  for (const Command& command : meshctl().commands) {
    CAPTURE(command.path);
    EXPECT(!command.summary.empty());
    const bool runs = command.run != nullptr;
    EXPECT(runs);
    REQUIRE(!command.examples.empty());
    std::vector<std::string> words;
    std::istringstream stream{std::string(command.examples.front().command)};
    for (std::string word; stream >> word && word != ">";) words.push_back(word);
    REQUIRE_EQ(words.front(), "meshctl");
    words.erase(words.begin());
    EXPECT(parse_words(words).ok());
  }
}

TEST_CASE("the texts made from the table name every command") {
  for (const Command& command : meshctl().commands) {
    EXPECT(has(overview_text(meshctl()), command.path));
    EXPECT(has(bash_completion(meshctl()), command.path));
    EXPECT(has(markdown(meshctl()), command.path));
    EXPECT(has(command_text(meshctl(), command), usage_line(meshctl(), command)));
  }
  EXPECT(has(man_page(meshctl()), ".SH \"EXIT STATUS\""));
}

TEST_CASE("a table pads its columns and shows no control characters") {
  Table table({"NAME", "X"});
  table.add({"a\x1b[2J", "1"});
  table.add({"h\xc3\xb6hle", "22"});
  EXPECT_EQ(table.text(), "NAME   X\na?[2J  1\nh\xc3\xb6hle  22\n");
}

TEST_CASE("a path segment is escaped") {
  EXPECT_EQ(url_escape("a b/c?d"), "a%20b%2Fc%3Fd");
  EXPECT_EQ(url_escape("a b/c", "/"), "a%20b/c");
}

TEST_CASE("an address that is none is refused before anything is sent") {
  EXPECT_EQ(outcome_of(Client::make({.address = "nonsense"})), Code::Invalid);
}

}  // namespace
}  // namespace mesh::cli
