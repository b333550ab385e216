#include "net/rpc_grpc.h"

#include "tests/test.h"

namespace mesh::net {

TEST_CASE("every code goes to a gRPC status and comes back as itself") {
  for (int number = 1; number <= static_cast<int>(Code::Internal); ++number) {
    const auto code = static_cast<Code>(number);
    EXPECT_NE(grpc_status_of(code), 0);
    EXPECT_EQ(code_of_grpc_status(grpc_status_of(code)), code);
  }
  EXPECT_EQ(code_of_grpc_status(6), Code::Conflict);
  EXPECT_EQ(code_of_grpc_status(11), Code::Invalid);
  EXPECT_EQ(code_of_grpc_status(99), Code::Internal);
}

TEST_CASE("a grpc-status that is no number from 0 to 16 is refused") {
  EXPECT_EQ(*parse_grpc_status("0"), 0);
  EXPECT_EQ(*parse_grpc_status("16"), 16);
  for (const auto* text : {"", "17", "-1", "1x", " 1", "4294967296"}) EXPECT_EQ(parse_grpc_status(text).error().code, Code::Corrupt);
}

TEST_CASE("a timeout keeps its value up to the eight digits of its unit") {
  EXPECT_EQ(format_grpc_timeout(Duration::zero()), "1n");
  EXPECT_EQ(format_grpc_timeout(-seconds(5)), "1n");
  EXPECT_EQ(format_grpc_timeout(milliseconds(10)), "10000000n");
  EXPECT_EQ(format_grpc_timeout(seconds(3)), "3000000u");
  EXPECT_EQ(format_grpc_timeout(hours(24 * 365)), "31536000S");
  for (const Duration d : {Duration(1), Duration(microseconds(7)), Duration(milliseconds(1500)), Duration(seconds(90)), Duration(hours(1000))}) {
    const Duration back = *parse_grpc_timeout(format_grpc_timeout(d));
    EXPECT_GE(back, d);
    EXPECT_LE(back, d + d / 1000 + nanoseconds(1));
  }
  EXPECT_EQ(*parse_grpc_timeout("99999999H"), Duration::max());
  EXPECT_EQ(*parse_grpc_timeout("2M"), minutes(2));
  for (const auto* text : {"", "5", "S", "123456789S", "-1S", "1s", "1.5S", "1 S"})
    EXPECT_EQ(parse_grpc_timeout(text).error().code, Code::Invalid);
}

TEST_CASE("an error text survives encoding whatever its bytes are") {
  const std::string text = "100 % of \xc3\xa4\nlines\tand \x01";
  const std::string encoded = encode_grpc_message(text, 4096);
  EXPECT_EQ(encoded, "100 %25 of %C3%A4%0Alines%09and %01");
  EXPECT_EQ(decode_grpc_message(encoded), text);
  EXPECT_EQ(encode_grpc_message("abcdef", 3), "abc");
  EXPECT_EQ(decode_grpc_message("%"), "%");
  EXPECT_EQ(decode_grpc_message("%4"), "%4");
  EXPECT_EQ(decode_grpc_message("%zz%41%2f"), "%zzA/");
}

TEST_CASE("the content type is gRPC's or it is not") {
  for (const auto* type : {"application/grpc", "application/grpc+proto", "application/grpc;x"}) EXPECT(is_grpc_content_type(type));
  for (const auto* type : {"", "application/json", "application/grpc-web", "text/application/grpc"}) EXPECT_FALSE(is_grpc_content_type(type));
}

TEST_CASE("messages come out the same however their bytes are cut") {
  const std::vector<Bytes> messages = {"one", "", Bytes(300, 'x'), Bytes("\0\1\2", 3)};
  Bytes all;
  for (const auto& message : messages) all += grpc_prefix(message.size()) + message;
  for (std::size_t step = 1; step <= all.size(); ++step) {
    GrpcReader reader(300);
    std::vector<Bytes> got;
    for (std::size_t at = 0; at < all.size(); at += step) {
      ByteView piece = ByteView(all).substr(at, step);
      while (true) {
        const auto more = reader.next(piece);
        REQUIRE(more.ok());
        if (!*more) break;
        if (got.size() % 2 == 0) got.emplace_back(reader.message());
        else got.push_back(reader.take_message());
      }
      EXPECT(piece.empty());
    }
    EXPECT_EQ(got, messages);
    EXPECT_EQ(reader.unfinished_bytes(), 0u);
  }
}

TEST_CASE("a message that is too large, compressed or no message at all is refused at its prefix") {
  const auto refused = [](Bytes bytes) {
    for (const std::size_t step : {std::size_t{1}, bytes.size()}) {
      GrpcReader reader(100);
      for (std::size_t at = 0; at < bytes.size(); at += step) {
        ByteView piece = ByteView(bytes).substr(at, step);
        if (auto more = reader.next(piece); !more.ok()) return more.error().code;
      }
    }
    return Code::Internal;
  };
  EXPECT_EQ(refused(grpc_prefix(101)), Code::Invalid);
  EXPECT_EQ(refused(grpc_prefix(0xffffffff)), Code::Invalid);
  EXPECT_EQ(refused(Bytes("\1\0\0\0\1", 5)), Code::Unsupported);
  EXPECT_EQ(refused("GET / HTTP/1.1"), Code::Corrupt);
}

}  // namespace mesh::net
