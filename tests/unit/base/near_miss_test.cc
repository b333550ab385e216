#include "base/near_miss.h"

#include <vector>

#include "tests/test.h"

namespace mesh {
namespace {

TEST_CASE("the distance counts inserts, deletes, replacements and swaps") {
  EXPECT_EQ(edit_distance("", "", 5), 0);
  EXPECT_EQ(edit_distance("", "abc", 5), 3);
  EXPECT_EQ(edit_distance("kitten", "sitting", 5), 3);
  EXPECT_EQ(edit_distance("prot", "port", 5), 1);
  EXPECT_EQ(edit_distance("Data-Dir", "data_dir", 5), 0);
  EXPECT_EQ(edit_distance("abcdef", "uvwxyz", 2), 3);
  EXPECT_EQ(edit_distance(std::string(65, 'a'), std::string(65, 'a'), 2), 3);
}

TEST_CASE("the nearest candidate is offered and nothing that is too far") {
  const std::vector<std::string_view> words = {"port", "ports", "protocol", "tags"};
  EXPECT(near_miss("prot", words) == "port");
  EXPECT(near_miss("portss", words) == "ports");
  EXPECT(near_miss("protcol", words) == "protocol");
  EXPECT_FALSE(near_miss("weights", words).has_value());
  EXPECT_FALSE(near_miss("", words).has_value());
  EXPECT_FALSE(near_miss("port", {}).has_value());
}

}  // namespace
}  // namespace mesh
