#include "net/crypto.h"

#include <mbedtls/gcm.h>

#include <vector>

#include "base/rng.h"
#include "net/gcm.h"
#include "tests/test.h"

namespace mesh::net {

namespace {

Bytes from_hex(std::string_view text) {
  Bytes out;
  for (std::size_t n = 0; n + 1 < text.size(); n += 2)
    out += static_cast<char>(std::stoi(std::string(text.substr(n, 2)), nullptr, 16));
  return out;
}

Bytes random_text(Rng& rng, std::size_t size) {
  Bytes text(size, '\0');
  for (char& c : text) c = static_cast<char>(rng.next());
  return text;
}

std::vector<GcmCode> codes_here() {
  std::vector<GcmCode> codes{GcmCode::Nettle};
  if (make_gcm_key(Bytes(16, '\0'), GcmCode::IpsecMb) != nullptr) codes.push_back(GcmCode::IpsecMb);
  return codes;
}

// Encrypted bytes and tag.
Bytes seal(const GcmKey& key, const GcmKey::Context& context, ByteView plain) {
  Bytes out(plain.size() + kGcmTagBytes, '\0');
  key.seal(context, plain, out.data(), out.data() + plain.size());
  return out;
}

struct Vector {
  const char* key;
  const char* nonce;
  const char* additional;
  const char* plain;
  const char* sealed;  // with the tag
};

// Test cases 1 to 4 and 13 to 16 of "The Galois/Counter Mode of Operation" (McGrew, Viega), NIST's submission.
constexpr Vector kVectors[] = {
    {"00000000000000000000000000000000", "000000000000000000000000", "", "", "58e2fccefa7e3061367f1d57a4e7455a"},
    {"00000000000000000000000000000000", "000000000000000000000000", "", "00000000000000000000000000000000",
     "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"},
    {"feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b"
     "391aafd255",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0"
     "91473f59854d5c2af327cd64a62cf35abd2ba6fab4"},
    {"feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b"
     "39",
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0"
     "915bc94fbc3221a5db94fae95ae7121a47"},
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "", "",
     "530f8afbc74536b9a963b4f1c4cb738b"},
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "",
     "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b"
     "391aafd255",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f6"
     "62898015adb094dac5d93471bdec1a502270e3cc6c"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b"
     "39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f6"
     "6276fc6ece0f4e1768cddf8853bb2d551b"},
};

}  // namespace

TEST_CASE("AES-GCM gives the published answers, by each code that this machine has") {
  for (const GcmCode code : codes_here()) {
    for (const Vector& vector : kVectors) {
      const auto key = make_gcm_key(from_hex(vector.key), code);
      REQUIRE(key != nullptr);
      const Bytes nonce = from_hex(vector.nonce);
      const Bytes additional = from_hex(vector.additional);
      const Bytes plain = from_hex(vector.plain);
      const Bytes sealed = seal(*key, {nonce, additional}, plain);
      EXPECT_EQ(to_hex(sealed), vector.sealed);
      Bytes opened(plain.size(), 'x');
      EXPECT(key->open({nonce, additional}, ByteView(sealed).substr(0, plain.size()), ByteView(sealed).substr(plain.size()),
                       opened.data()));
      EXPECT_EQ(to_hex(opened), to_hex(plain));
    }
  }
  EXPECT_EQ(std::string(gcm_code_name()), codes_here().back() == GcmCode::IpsecMb ? "libipsec-mb" : "nettle");
}

TEST_CASE("AES-GCM agrees with mbedTLS on random messages, also in place, and refuses changed ones") {
  Rng rng(4711);
  for (const GcmCode code : codes_here()) {
    for (int round = 0; round < 600; ++round) {
      const Bytes key_bytes = random_text(rng, rng.below(2) == 0 ? 16 : 32);
      const Bytes nonce = random_text(rng, kGcmNonceBytes);
      const Bytes additional = random_text(rng, rng.below(3) == 0 ? 13 : rng.below(70));
      const Bytes plain = random_text(rng, round % 50 == 0 ? 16'384 : rng.below(round % 3 == 0 ? 4096 : 64));
      const auto key = make_gcm_key(key_bytes, code);
      const Bytes sealed = seal(*key, {nonce, additional}, plain);

      Bytes theirs(sealed.size(), '\0');
      mbedtls_gcm_context context;
      mbedtls_gcm_init(&context);
      const auto* bytes = [](const Bytes& text) { return reinterpret_cast<const unsigned char*>(text.data()); }(key_bytes);
      REQUIRE(mbedtls_gcm_setkey(&context, MBEDTLS_CIPHER_ID_AES, bytes, static_cast<unsigned>(key_bytes.size() * 8)) == 0);
      REQUIRE(mbedtls_gcm_crypt_and_tag(
                  &context, MBEDTLS_GCM_ENCRYPT, plain.size(), reinterpret_cast<const unsigned char*>(nonce.data()),
                  nonce.size(), reinterpret_cast<const unsigned char*>(additional.data()), additional.size(),
                  reinterpret_cast<const unsigned char*>(plain.data()), reinterpret_cast<unsigned char*>(theirs.data()),
                  kGcmTagBytes, reinterpret_cast<unsigned char*>(theirs.data()) + plain.size()) == 0);
      mbedtls_gcm_free(&context);
      REQUIRE(sealed == theirs);

      Bytes in_place = plain;
      in_place.resize(plain.size() + kGcmTagBytes);
      key->seal({nonce, additional}, ByteView(in_place).substr(0, plain.size()), in_place.data(),
                in_place.data() + plain.size());
      REQUIRE(in_place == sealed);
      REQUIRE(key->open({nonce, additional}, ByteView(in_place).substr(0, plain.size()),
                        ByteView(in_place).substr(plain.size()), in_place.data()));
      REQUIRE(in_place.substr(0, plain.size()) == plain);

      Bytes changed = sealed;
      const std::size_t at = rng.below(changed.size());
      changed[at] = static_cast<char>(changed[at] ^ (1 << rng.below(8)));
      Bytes out(plain.size(), 'x');
      REQUIRE_FALSE(key->open({nonce, additional}, ByteView(changed).substr(0, plain.size()),
                              ByteView(changed).substr(plain.size()), out.data()));
      REQUIRE(out == Bytes(plain.size(), '\0'));
    }
  }
}

TEST_CASE("small things are sealed and opened") {
  auto aead = Aead::make(random_bytes(32));
  REQUIRE(aead.ok());
  const Bytes nonce = random_bytes(Aead::kNonceBytes);
  const Bytes sealed = aead->seal({.nonce = nonce, .additional = "v1"}, "the key of a CA");
  EXPECT_EQ(sealed.size(), 15 + Aead::kTagBytes);
  auto opened = aead->open({.nonce = nonce, .additional = "v1"}, sealed);
  REQUIRE(opened.ok());
  EXPECT_EQ(*opened, "the key of a CA");
  EXPECT_EQ(aead->open({.nonce = nonce, .additional = "v2"}, sealed).error().code, Code::Corrupt);
  EXPECT_EQ(aead->open({.nonce = nonce, .additional = "v1"}, ByteView(sealed).substr(1)).error().code, Code::Corrupt);
  EXPECT_EQ(aead->open({.nonce = nonce, .additional = "v1"}, "short").error().code, Code::Corrupt);
  EXPECT_EQ(Aead::make(random_bytes(24)).error().code, Code::Invalid);
}

TEST_CASE("SHA-256, comparison and random bytes do what they say") {
  EXPECT_EQ(to_hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");  // FIPS 180-2, B.1
  EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT(equal_constant_time("", ""));
  EXPECT(equal_constant_time("same", "same"));
  EXPECT_FALSE(equal_constant_time("same", "samf"));
  EXPECT_FALSE(equal_constant_time("same", "same "));
  EXPECT_NE(random_bytes(32), random_bytes(32));
  EXPECT(random_bytes(0).empty());
  Bytes secret = "secret";
  wipe(secret);
  EXPECT(secret.empty());
}

TEST_CASE("keys are P-256 and have a name") {
  const Bytes pem = make_key_pem();
  EXPECT(pem.starts_with("-----BEGIN EC PRIVATE KEY-----\n"));
  auto hash = key_hash_of(pem);
  REQUIRE(hash.ok());
  EXPECT_EQ(hash->size(), kSha256Bytes);
  EXPECT_NE(*hash, *key_hash_of(make_key_pem()));
  EXPECT_EQ(key_hash_of("no key").error().code, Code::Invalid);
  EXPECT_FALSE(key_hash_of(ByteView(pem).substr(0, pem.size() / 2)).ok());
}

}  // namespace mesh::net
