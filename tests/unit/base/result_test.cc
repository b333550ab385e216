#include "base/result.h"

#include "tests/test.h"

namespace mesh {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return error(Code::Invalid, "{} is odd", n);
  return n / 2;
}

Result<int> quarter(int n) {
  MESH_TRY(h, half(n).context("while halving {}", n));
  return half(h);
}

TEST_CASE("a result carries its value through MESH_TRY") { EXPECT_EQ(quarter(8).value(), 2); }

TEST_CASE("an error keeps its code and gains one context per layer") {
  const Result<int> r = quarter(3);
  REQUIRE(!r.ok());
  EXPECT_EQ(outcome_of(r), Code::Invalid);
  EXPECT_EQ(error_text(r), "while halving 3: 3 is odd");
}

TEST_CASE("MESH_TRY_STATUS passes an error on and lets success through") {
  const auto run = [](Status s) -> Status {
    MESH_TRY_STATUS(std::move(s));
    return {};
  };
  EXPECT(run({}).ok());
  EXPECT_EQ(outcome_of(run(error(Code::Io, "no"))), Code::Io);
}

}  // namespace
}  // namespace mesh
