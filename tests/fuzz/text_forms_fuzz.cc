// Base64, UUID and UTF-8: what is accepted has one spelling, which printing gives back.
#include <cctype>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/base64.h"
#include "base/check.h"
#include "base/utf8.h"
#include "base/uuid.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto bytes = mesh::base64_decode(text); bytes.ok()) CHECK(mesh::base64_encode(*bytes) == text);
  if (const auto bytes = mesh::base64url_decode(text); bytes.ok()) CHECK(mesh::base64url_encode(*bytes) == text);
  CHECK(mesh::base64_decode(mesh::base64_encode(text)).value() == text);
  if (const auto uuid = mesh::Uuid::parse(text); uuid.ok()) {
    std::string lower(text);
    for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    CHECK(uuid->to_string() == lower);
  }
  if (mesh::is_utf8(text)) CHECK(mesh::is_utf8(std::string(text) + "\xc3\xbc"));
  return 0;
}
