// A file that holds a list of checksummed records (docs/formats/catalog-cache.md): its bytes are made and read here, the
// disk is the caller's. Pure; any thread.
//
// Limits: kRecordBytesMax per record; the caller bounds the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace mesh::agent {

inline constexpr std::size_t kRecordBytesMax = std::size_t{16} << 20;

struct RecordFileKind {
  std::string_view magic;  // 8 bytes
  std::uint8_t version = 1;
};

class RecordFileWriter {
 public:
  explicit RecordFileWriter(const RecordFileKind& kind);
  // REQUIRES 1 to kRecordBytesMax bytes.
  void add(ByteView record);
  // The whole file; the writer is used up.
  [[nodiscard]] Bytes finish();

 private:
  void put(ByteView record);

  Bytes out_;
  std::uint64_t ordinal_ = 0;
};

// Borrows the bytes of the file.
class RecordFileReader {
 public:
  // Corrupt (not such a file, empty), Unsupported (another version).
  [[nodiscard]] static Result<RecordFileReader> open(const RecordFileKind& kind, ByteView file);
  // The next record, borrowed; none at the end. Corrupt: cut, a wrong checksum, bytes behind the end.
  [[nodiscard]] Result<std::optional<ByteView>> next();

 private:
  explicit RecordFileReader(ByteView rest) : rest_(rest) {}

  ByteView rest_;
  std::uint64_t ordinal_ = 0;
};

}  // namespace mesh::agent
