// CaKey: what opens the sealed keys of roots (docs/formats/ca-key.md). The same on every server of a cluster; it is in no
// row, log or snapshot. Values; any thread. Never logged.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "model/authority.h"

namespace mesh::server {

inline constexpr std::uint32_t kSealVersion = 1;

class CaKey {
 public:
  // From the kernel's generator.
  [[nodiscard]] static CaKey make();
  // The line of the file, with or without its end. Errors: Corrupt, Unsupported (of a later release).
  [[nodiscard]] static Result<CaKey> parse(std::string_view text);
  [[nodiscard]] std::string text() const;

  [[nodiscard]] model::SealedKey seal(const std::string& root_id, std::string_view key_pem) const;
  // Errors: Unsupported (seal version), Corrupt (sealed under another key, for another root, or damaged).
  [[nodiscard]] Result<std::string> open(const model::SealedKey& sealed) const;

 private:
  explicit CaKey(Bytes bytes) : bytes_(std::move(bytes)) {}
  Bytes bytes_;
};

// DATA_DIR/ca.key. None: this server has not got it. Errors: of parse, Io.
[[nodiscard]] Result<std::optional<CaKey>> read_ca_key(const std::string& data_dir);
[[nodiscard]] Status write_ca_key(const std::string& data_dir, const CaKey& key);

}  // namespace mesh::server
