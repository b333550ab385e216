#include "base/log.h"

#include "tests/test.h"

#include <vector>

namespace mesh {
namespace {

constexpr WallTime kSomeTime{seconds(1770091506) + milliseconds(7)};

LogLine line_of(std::string_view message, std::uint64_t suppressed = 0) {
  return {.level = LogLevel::Info, .message = message, .time = kSomeTime, .suppressed = suppressed};
}

// Collects lines while it lives.
class Collected final : public LogSink {
 public:
  Collected() : before_(set_log_sink(this)) {}
  ~Collected() override { set_log_sink(before_); }
  void write(LogLevel, std::string_view line) override { lines.emplace_back(line); }
  std::vector<std::string> lines;

 private:
  LogSink* before_;
};

TEST_CASE("a text line has the journal's priority, the message and its fields") {
  struct PortTag;
  const Strong<PortTag, std::uint16_t> port(8300);
  EXPECT_EQ(format_log_text(line_of("agent joined"), {{"node", "host-a"},
                                                      {"servers", 3},
                                                      {"port", port},
                                                      {"ok", true},
                                                      {"took", milliseconds(1250)},
                                                      {"error", error(Code::Io, "no disk")}}),
            "<6>agent joined node=host-a servers=3 port=8300 ok=true took=1.250s error=\"no disk\"");
}

TEST_CASE("a JSON line carries time, level and typed fields") {
  EXPECT_EQ(format_log_json(line_of("agent joined", 4), {{"node", std::string("host-a")},
                                                         {"n", std::uint64_t{18446744073709551615U}},
                                                         {"took", milliseconds(1250)},
                                                         {"share", 0.0 / 1.0 * -1.0 / 0.5}}),
            R"({"ts":"2026-02-03T04:05:06.007Z","level":"info","msg":"agent joined","node":"host-a",)"
            R"("n":18446744073709551615,"took":1.25,"share":-0,"suppressed":4})");
}

TEST_CASE("a value cannot forge a line or break the encoding") {
  EXPECT_EQ(format_log_text(line_of("refused"), {{"name", "a\n<0>root=1 \"x\" \xff\x1b"}}),
            "<6>refused name=\"a\\n<0>root=1 \\\"x\\\" \xef\xbf\xbd\\u001b\"");
  EXPECT_EQ(format_log_text(line_of("refused"), {{"name", ""}}), "<6>refused name=\"\"");
}

TEST_CASE("long values and long lines are cut and say so") {
  const std::string longest(100'000, 'x');
  const std::string one = format_log_text(line_of("big"), {{"v", longest}});
  EXPECT_LT(one.size(), kLogValueBytesMax + 32);
  EXPECT(one.ends_with("...\""));
  const auto nine = std::initializer_list<LogField>{{"a", longest}, {"b", longest}, {"c", longest},
                                                    {"d", longest}, {"e", longest}, {"f", longest},
                                                    {"g", longest}, {"h", longest}, {"i", longest}};
  EXPECT_LE(format_log_text(line_of("big", 1), nine).size(), kLogLineBytesMax);
  EXPECT(format_log_text(line_of("big"), nine).ends_with(" cut=true"));
  EXPECT(format_log_json(line_of("big"), nine).ends_with(R"(,"cut":true})"));
}

TEST_CASE("a place that logs too often is limited and tells how much it left out") {
  LogSite site("f.cc", 1);
  std::uint64_t suppressed = 99;
  for (std::uint32_t i = 0; i < kLogBurst; ++i) EXPECT(site.admit(5, suppressed));
  EXPECT_EQ(suppressed, 0);
  for (int i = 0; i < 7; ++i) EXPECT_FALSE(site.admit(5, suppressed));
  EXPECT(site.admit(6, suppressed));
  EXPECT_EQ(suppressed, 7);
}

TEST_CASE("a disabled level evaluates nothing") {
  Collected sink;
  int evaluated = 0;
  LOG_DEBUG("quiet", {"n", ++evaluated});
  EXPECT_EQ(evaluated, 0);
  LOG_WARN("loud", {"n", ++evaluated});
  LOG_WARN("bare");
  REQUIRE_EQ(sink.lines.size(), 2);
  EXPECT_EQ(sink.lines[0], "<4>loud n=1");
  EXPECT_EQ(sink.lines[1], "<4>bare");
}

TEST_CASE("level and format names are parsed and a wrong one lists the choices") {
  EXPECT_EQ(parse_log_level("warn").value(), LogLevel::Warn);
  EXPECT_EQ(parse_log_format("json").value(), LogFormat::Json);
  EXPECT_EQ(error_text(parse_log_level("warning")),
            "log level \"warning\" is not one of debug, info, warn, error");
  EXPECT_EQ(outcome_of(parse_log_format("")), Code::Invalid);
}

}  // namespace
}  // namespace mesh
