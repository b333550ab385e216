#include "raft/configuration.h"

#include "tests/test.h"

namespace mesh::raft {
namespace {

using Kind = MembershipChange::Kind;

Configuration made(std::vector<std::uint64_t> voters, std::vector<std::uint64_t> learners) {
  std::vector<ServerId> v(voters.begin(), voters.end());
  std::vector<ServerId> l(learners.begin(), learners.end());
  return make_configuration(std::move(v), std::move(l)).value();
}

TEST_CASE("a configuration survives its encoding") {
  for (const auto& configuration : {made({}, {}), made({3, 1, 2}, {}), made({1}, {9, 7})}) {
    const auto read = decode_configuration(encode_configuration(configuration));
    REQUIRE(read.ok());
    EXPECT(*read == configuration);
  }
}

TEST_CASE("bytes that are no configuration are refused") {
  const Bytes good = encode_configuration(made({1, 2, 3}, {4}));
  EXPECT_FALSE(decode_configuration("").ok());
  EXPECT(decode_configuration("\x02").error().code == Code::Unsupported);
  for (std::size_t n = 2; n < good.size(); ++n) {
    const auto cut = decode_configuration(ByteView(good).substr(0, n));
    EXPECT((!cut.ok() || *cut != made({1, 2, 3}, {4})));
  }
  Configuration twice;
  twice.voters = {ServerId(1), ServerId(1)};
  EXPECT(decode_configuration(encode_configuration(twice)).error().code == Code::Corrupt);
}

TEST_CASE("a change moves one server, or says why not") {
  const Configuration start = made({1, 2, 3}, {4});
  const auto change = [&](Kind kind, std::uint64_t id) { return apply_change(start, {kind, ServerId(id)}); };
  EXPECT(change(Kind::AddLearner, 5).value() == made({1, 2, 3}, {4, 5}));
  EXPECT(change(Kind::Promote, 4).value() == made({1, 2, 3, 4}, {}));
  EXPECT(change(Kind::Demote, 2).value() == made({1, 3}, {2, 4}));
  EXPECT(change(Kind::Remove, 1).value() == made({2, 3}, {4}));
  EXPECT(change(Kind::Remove, 4).value() == made({1, 2, 3}, {}));
  EXPECT_FALSE(change(Kind::AddLearner, 3).ok());
  EXPECT_FALSE(change(Kind::AddLearner, 0).ok());
  EXPECT_FALSE(change(Kind::Promote, 3).ok());
  EXPECT_FALSE(change(Kind::Demote, 4).ok());
  EXPECT_FALSE(change(Kind::Remove, 9).ok());
  EXPECT_FALSE(apply_change(made({1}, {2}), {Kind::Remove, ServerId(1)}).ok());
  EXPECT_FALSE(apply_change(made({1}, {2}), {Kind::Demote, ServerId(1)}).ok());
}

TEST_CASE("the configuration in force follows the log back when an entry is cut off") {
  ConfigurationHistory history(LogBase{{Index(10), Term(2)}, made({1}, {}), Index(4)});
  history.append(Index(12), made({1}, {2}));
  history.append(Index(15), made({1, 2}, {}));
  EXPECT(history.latest().configuration == made({1, 2}, {}));
  EXPECT(history.at(Index(14)).configuration == made({1}, {2}));
  EXPECT(history.at(Index(11)).index == Index(4));
  history.truncate(Index(13));
  EXPECT(history.latest().index == Index(12));
  history.compact(Index(12));
  EXPECT(history.at(Index(12)).configuration == made({1}, {2}));
}

}  // namespace
}  // namespace mesh::raft
