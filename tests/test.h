// The test vocabulary: doctest under names that do not collide with the product's CHECK.
// EXPECT* goes on after a failure, REQUIRE* ends the test case. A test name is a sentence.
// What came of a Result is compared by outcome_of() and error_text(): error() of a success would end the whole program.
#pragma once

#include <optional>
#include <ostream>
#include <sstream>
#include <string>

#include "base/result.h"

#define DOCTEST_CONFIG_NO_SHORT_MACRO_NAMES
#include <doctest/doctest.h>

#define TEST_CASE DOCTEST_TEST_CASE
#define SUBCASE DOCTEST_SUBCASE
#define INFO DOCTEST_INFO
#define CAPTURE DOCTEST_CAPTURE
#define FAIL DOCTEST_FAIL
#define EXPECT DOCTEST_CHECK
#define EXPECT_FALSE DOCTEST_CHECK_FALSE
#define EXPECT_FALSE_MESSAGE DOCTEST_CHECK_FALSE_MESSAGE
#define EXPECT_EQ DOCTEST_CHECK_EQ
#define EXPECT_NE DOCTEST_CHECK_NE
#define EXPECT_LT DOCTEST_CHECK_LT
#define EXPECT_LE DOCTEST_CHECK_LE
#define EXPECT_GT DOCTEST_CHECK_GT
#define EXPECT_GE DOCTEST_CHECK_GE
#define REQUIRE DOCTEST_REQUIRE
#define REQUIRE_FALSE DOCTEST_REQUIRE_FALSE
#define REQUIRE_EQ DOCTEST_REQUIRE_EQ
#define REQUIRE_NE DOCTEST_REQUIRE_NE
#define REQUIRE_GE DOCTEST_REQUIRE_GE

namespace mesh {

// A code, or success; equal to a Code, printed by name.
struct Outcome {
  std::optional<Code> code;

  friend bool operator==(const Outcome& a, Code b) { return a.code == b; }
  friend std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
    return out << (outcome.code ? code_name(*outcome.code) : std::string_view("success"));
  }
};

inline std::ostream& operator<<(std::ostream& out, Code code) { return out << code_name(code); }

template <class R>
[[nodiscard]] Outcome outcome_of(const R& result) {
  return result.ok() ? Outcome{} : Outcome{result.error().code};
}

// The message; of a success a text that no message is.
template <class R>
[[nodiscard]] std::string error_text(const R& result) {
  return result.ok() ? std::string("(success)") : result.error().message;
}

}  // namespace mesh
