// The test vocabulary: doctest under names that do not collide with the product's CHECK.
// EXPECT* goes on after a failure, REQUIRE* ends the test case. A test name is a sentence.
#pragma once

#include <ostream>
#include <sstream>
#include <string>

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
