// Text forms of bytes: base64, UUID, UTF-8, and the hash that is part of formats.
#include <array>

#include "base/base64.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "base/uuid.h"
#include "tests/test.h"

namespace mesh {
namespace {

TEST_CASE("base64 agrees with the vectors of RFC 4648 section 10") {
  constexpr std::array<std::pair<const char*, const char*>, 7> kVectors{{{"", ""},
                                                                         {"f", "Zg=="},
                                                                         {"fo", "Zm8="},
                                                                         {"foo", "Zm9v"},
                                                                         {"foob", "Zm9vYg=="},
                                                                         {"fooba", "Zm9vYmE="},
                                                                         {"foobar", "Zm9vYmFy"}}};
  for (const auto& [plain, encoded] : kVectors) {
    EXPECT_EQ(base64_encode(plain), encoded);
    EXPECT_EQ(base64_decode(encoded).value(), plain);
  }
}

TEST_CASE("the two base64 alphabets differ in two characters and in padding") {
  EXPECT_EQ(base64_encode("\xfb\xff"), "+/8=");
  EXPECT_EQ(base64url_encode("\xfb\xff"), "-_8");
  EXPECT_EQ(base64url_decode("-_8").value(), "\xfb\xff");
  EXPECT_FALSE(base64_decode("-_8=").ok());
  EXPECT_FALSE(base64url_decode("+/8").ok());
}

TEST_CASE("base64 refuses every second spelling of a value") {
  for (const char* text : {"Zg", "Zg=", "Zh==", "Z===", "====", "=", "Zm9vYg== ", " Zg=", "Zg==Zg==", "Zm\n9v"})
    EXPECT_FALSE_MESSAGE(base64_decode(text).ok(), text);
  for (const char* text : {"Z", "Zh", "Zg==", "Zm9"}) EXPECT_FALSE_MESSAGE(base64url_decode(text).ok(), text);
}

TEST_CASE("base64 returns random bytes unchanged") {
  Rng rng(1);
  for (std::size_t size = 0; size < 70; ++size) {
    Bytes bytes;
    for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<char>(rng.next()));
    EXPECT_EQ(base64_decode(base64_encode(bytes)).value(), bytes);
    EXPECT_EQ(base64url_decode(base64url_encode(bytes)).value(), bytes);
  }
}

TEST_CASE("a UUID is parsed in either case and printed in lower case") {
  const auto uuid = Uuid::parse("8F7A1C9E-0b5d-4e0a-9a51-2f6f0c1d7e42");
  REQUIRE(uuid.ok());
  EXPECT_EQ(uuid->to_string(), "8f7a1c9e-0b5d-4e0a-9a51-2f6f0c1d7e42");
  EXPECT_EQ(Uuid().to_string(), "00000000-0000-0000-0000-000000000000");
  EXPECT(Uuid().is_nil());
}

TEST_CASE("a made UUID has version 4, the RFC variant, and follows its seed") {
  Rng a(3), b(3);
  const Uuid first = Uuid::make(a);
  EXPECT_EQ(first, Uuid::make(b));
  EXPECT_NE(first, Uuid::make(a));
  EXPECT_EQ(first.to_string()[14], '4');
  EXPECT_EQ(first.bytes()[8] >> 6, 2);
}

TEST_CASE("a UUID in any other form is refused") {
  for (const char* text : {"", "8f7a1c9e", "8f7a1c9e0b5d4e0a9a512f6f0c1d7e42", "8f7a1c9e-0b5d-4e0a-9a51-2f6f0c1d7e4g",
                           "{8f7a1c9e-0b5d-4e0a-9a51-2f6f0c1d7e4}", "8f7a1c9e-0b5d-4e0a-9a51-2f6f0c1d7e421",
                           "8f7a1c9e+0b5d-4e0a-9a51-2f6f0c1d7e42"})
    EXPECT_FALSE_MESSAGE(Uuid::parse(text).ok(), text);
}

TEST_CASE("UTF-8 accepts exactly the well-formed characters") {
  for (const char* text : {"", "a", "\x7f", "\xc2\x80", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
                           "\xf4\x8f\xbf\xbf", "d\xc3\xbcrfen"})
    EXPECT(is_utf8(text));
  for (const char* text : {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
                           "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc2", "\xe2\x82", "\xf0\x9f\x98", "a\xff"})
    EXPECT_FALSE(is_utf8(text));
}

TEST_CASE("the hash that is part of formats never changes") {
  EXPECT_EQ(xxh3_64(""), 0x2d06800538d394c2ULL);  // the algorithm's published empty-input value
  EXPECT_EQ(xxh3_64("mesh"), xxh3_64("mesh", 0));
  EXPECT_NE(xxh3_64("mesh"), xxh3_64("mesh", 1));
}

}  // namespace
}  // namespace mesh
