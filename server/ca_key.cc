#include "server/ca_key.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/base64.h"
#include "base/check.h"
#include "base/file.h"
#include "net/crypto.h"

namespace mesh::server {

namespace {

constexpr std::string_view kFamily = "meshd-ca-key-";
constexpr std::string_view kWord = "meshd-ca-key-1";
constexpr std::size_t kKeyBytes = 32;
constexpr ByteCount kFileBytesMax{1024};

std::string key_file(const std::string& data_dir) { return data_dir + "/ca.key"; }

net::Aead aead(ByteView key) {
  Result<net::Aead> made = net::Aead::make(key);
  CHECK(made.ok(), "a key of {} bytes", key.size());
  return std::move(made).value();
}

Bytes additional_data(const std::string& root_id) { return fmt::format("{} {}", kWord, root_id); }

}  // namespace

CaKey CaKey::make() { return CaKey(net::random_bytes(kKeyBytes)); }

Result<CaKey> CaKey::parse(std::string_view text) {
  if (text.ends_with('\n')) text.remove_suffix(1);
  const std::string_view word = text.substr(0, text.find(' '));
  if (word != kWord) {
    if (word.starts_with(kFamily)) return error(Code::Unsupported, "the key file of the CA is of a later release");
    return error(Code::Corrupt, "this is no key file of the CA");
  }
  const Result<Bytes> bytes = base64url_decode(text.substr(std::min(text.size(), kWord.size() + 1)));
  if (!bytes.ok() || bytes->size() != kKeyBytes) return error(Code::Corrupt, "the key file of the CA is damaged");
  return CaKey(*bytes);
}

std::string CaKey::text() const { return fmt::format("{} {}\n", kWord, base64url_encode(bytes_)); }

model::SealedKey CaKey::seal(const std::string& root_id, std::string_view key_pem) const {
  const Bytes nonce = net::random_bytes(net::Aead::kNonceBytes);
  model::SealedKey out;
  out.root_id = root_id;
  out.seal_version = kSealVersion;
  const std::string additional = additional_data(root_id);
  out.sealed = nonce + aead(bytes_).seal({nonce, additional}, key_pem);
  return out;
}

Result<std::string> CaKey::open(const model::SealedKey& sealed) const {
  if (sealed.seal_version != kSealVersion) {
    return error(Code::Unsupported, "a key sealed by version {}; this release knows {}", sealed.seal_version, kSealVersion);
  }
  const ByteView bytes = sealed.sealed;
  if (bytes.size() < net::Aead::kNonceBytes) return error(Code::Corrupt, "a sealed key of {} bytes", bytes.size());
  const ByteView nonce = bytes.substr(0, net::Aead::kNonceBytes);
  const std::string additional = additional_data(sealed.root_id);
  Result<Bytes> pem = aead(bytes_).open({nonce, additional}, bytes.substr(nonce.size()));
  if (pem.ok()) return pem;
  return error(Code::Corrupt, "the sealed key does not open with this server's ca.key");
}

Result<std::optional<CaKey>> read_ca_key(const std::string& data_dir) {
  const Result<Bytes> text = read_file(key_file(data_dir), kFileBytesMax);
  if (!text.ok() && text.error().code == Code::NotFound) return std::optional<CaKey>();
  if (!text.ok()) return text.error();
  MESH_TRY(key, CaKey::parse(*text).context("while reading {}", key_file(data_dir)));
  return std::optional(std::move(key));
}

Status write_ca_key(const std::string& data_dir, const CaKey& key) {
  return write_file_atomic(key_file(data_dir), key.text(), {.mode = 0600});
}

}  // namespace mesh::server
