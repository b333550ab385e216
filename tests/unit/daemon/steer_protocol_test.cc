#include "daemon/steer/protocol.h"

#include "tests/test.h"

namespace mesh::steer {

TEST_CASE("a hand-over and an answer come back as they were sent, byte by byte too") {
  HandOver hand_over;
  hand_over.listeners = 4;
  hand_over.dns_udp = true;
  Bytes input;
  for (const char byte : frame_of(hand_over)) {
    const auto early = take_hand_over(input);
    REQUIRE(early.ok());
    EXPECT_FALSE(early->has_value());
    input.push_back(byte);
  }
  auto taken = take_hand_over(input);
  REQUIRE(taken.ok());
  REQUIRE(taken->has_value());
  EXPECT(**taken == hand_over);
  EXPECT_EQ((*taken)->descriptors(), 5u);
  EXPECT(input.empty());

  Answer answer;
  answer.mode = Mode::Nftables;
  answer.fault = Fault::NoBpffs;
  answer.message = "why";
  Bytes two = frame_of(answer) + frame_of(answer);
  for (int n = 0; n < 2; ++n) {
    const auto back = take_answer(two);
    REQUIRE(back.ok());
    REQUIRE(back->has_value());
    EXPECT(**back == answer);
  }
  EXPECT(two.empty());
}

TEST_CASE("a frame of another version, kind or size and one with too many listeners are refused") {
  HandOver many;
  many.listeners = kListenersMax + 1;
  struct Case {
    const char* name;
    Bytes frame;
    Code code;
  };
  const Case cases[] = {
      {"version", Bytes("\x02\x01\x00\x00", 4), Code::Unsupported},
      {"kind", Bytes("\x01\x02\x00\x00", 4), Code::Corrupt},
      {"size", Bytes("\x01\x01\x01\x01", 4), Code::Corrupt},
      {"body", Bytes("\x01\x01\x00\x01\xff", 5), Code::Corrupt},
      {"listeners", frame_of(many), Code::Invalid},
  };
  for (const Case& one : cases) {
    CAPTURE(one.name);
    Bytes input = one.frame;
    const auto taken = take_hand_over(input);
    REQUIRE_FALSE(taken.ok());
    EXPECT_EQ(taken.error().code, one.code);
  }
}

TEST_CASE("long texts of an answer are cut so that its frame keeps the limit") {
  Answer answer;
  answer.message = answer.hint = answer.version = std::string(100'000, 'x');
  Bytes frame = frame_of(answer);
  EXPECT_LE(frame.size(), kFrameHeadBytes + kAnswerBytesMax);
  const auto taken = take_answer(frame);
  REQUIRE(taken.ok());
  EXPECT(taken->has_value());
}

}  // namespace mesh::steer
