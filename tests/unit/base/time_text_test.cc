#include "base/time_text.h"

#include <limits>
#include <vector>

#include "tests/test.h"

namespace mesh {
namespace {

TEST_CASE("durations are read in the syntax of Go") {
  EXPECT(parse_duration("10s") == seconds(10));
  EXPECT(parse_duration("1500ms") == milliseconds(1500));
  EXPECT(parse_duration("1m30s") == seconds(90));
  EXPECT(parse_duration("1.5h") == minutes(90));
  EXPECT(parse_duration("-.5s") == milliseconds(-500));
  EXPECT(parse_duration("0") == Duration{});
  EXPECT(parse_duration("2us3ns") == nanoseconds(2003));
  EXPECT(parse_duration("1\xc2\xb5s") == microseconds(1));
  EXPECT(parse_duration("1.1234567891s") == nanoseconds(1'123'456'789));
}

TEST_CASE("what is no duration is refused") {
  for (const std::string_view bad : {"", "-", "10", "s", ".s", "10 s", "10x", "1.s.", "300y", "9223372036854775808ns",
                                     "2562048h", "99999999999999999999s", "1m s", "+-1s"}) {
    CAPTURE(bad);
    EXPECT_FALSE(parse_duration(bad).has_value());
  }
}

TEST_CASE("durations are written as Go does and read back") {
  EXPECT_EQ(format_duration(seconds(10)), "10s");
  EXPECT_EQ(format_duration(minutes(1)), "1m0s");
  EXPECT_EQ(format_duration(hours(72)), "72h0m0s");
  EXPECT_EQ(format_duration(milliseconds(-1500)), "-1.5s");
  EXPECT_EQ(format_duration(nanoseconds(1'000'000'001)), "1.000000001s");
  for (const std::int64_t count : std::vector<std::int64_t>{0, 1, -1, 999, 1000, 1001, 123'456, 59'999'999'999, 3'600'000'000'000, 86'399'000'000'001, std::numeric_limits<std::int64_t>::max()}) {
    CAPTURE(count);
    EXPECT(parse_duration(format_duration(Duration(count))) == Duration(count));
  }
  EXPECT_EQ(format_duration(Duration(std::numeric_limits<std::int64_t>::min())), "-2562047h47m16.854775808s");
}

TEST_CASE("times are RFC 3339 in UTC") {
  EXPECT_EQ(format_time(WallTime{}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(format_time(WallTime(nanoseconds(1'714'564'805'120'000'000))), "2024-05-01T12:00:05.12Z");
  EXPECT(parse_time("2024-05-01T12:00:05.12Z") == WallTime(nanoseconds(1'714'564'805'120'000'000)));
  EXPECT(parse_time("2024-05-01T14:00:05.12+02:00") == WallTime(nanoseconds(1'714'564'805'120'000'000)));
  for (const std::string_view bad : {"", "2024-05-01", "2024-02-30T00:00:00Z", "2024-05-01T25:00:00Z", "2024-05-01T12:00:00",
                                     "2024-05-01T12:00:00.Z", "2024-05-01T12:00:00Zx", "1969-12-31T23:59:59Z"}) {
    CAPTURE(bad);
    EXPECT_FALSE(parse_time(bad).has_value());
  }
}

}  // namespace
}  // namespace mesh
