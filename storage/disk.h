// The file system as storage/ needs it: blocking calls, explicit durability. Two implementations: PosixDisk
// (storage/posix_disk.h) and the simulated one (tests/sim/sim_disk.h), which loses, tears and rots what was not synced.
//
// Durability: what was written is durable after sync_data() of the file returned success; that a file exists under a name, or no
// longer does, is durable after sync_dir() of its folder. Nothing else may be relied on.
//
// Paths are plain strings with '/'. Errors: NotFound (no such file or folder), Conflict (exists already), Unavailable (the disk or
// quota is full, and nothing else), Io (everything else; the text names path and cause). After an Io error of write_at() or sync_data() the
// content of the file is unknown and a repeated sync proves nothing (Linux marks failed pages clean): the caller stops
// using the file.
//
// Thread: one at a time per Disk and its Files; the storage thread in the product.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace mesh::storage {

// One open file; closed by the destructor, which syncs nothing.
class File {
 public:
  virtual ~File() = default;

  // Bytes [offset, offset + length), fewer only where the file ends.
  [[nodiscard]] virtual Result<Bytes> read_at(std::uint64_t offset, std::size_t length) = 0;
  // Writes all of data; extends the file where needed. On Unavailable any part may have been written.
  [[nodiscard]] virtual Status write_at(std::uint64_t offset, ByteView data) = 0;
  // fdatasync. Every error is Io.
  [[nodiscard]] virtual Status sync_data() = 0;
  [[nodiscard]] virtual Result<std::uint64_t> size() = 0;
};

enum class OpenMode : std::uint8_t {
  Read,       // must exist
  ReadWrite,  // must exist
  CreateNew,  // must not exist; read and write; mode 0600
};

class Disk {
 public:
  virtual ~Disk() = default;

  [[nodiscard]] virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  // Replaces `to` if it exists.
  [[nodiscard]] virtual Status rename(const std::string& from, const std::string& to) = 0;
  [[nodiscard]] virtual Status remove(const std::string& path) = 0;
  // Names (not paths) of the files in a folder, sorted; folders in it are left out.
  [[nodiscard]] virtual Result<std::vector<std::string>> list(const std::string& folder) = 0;
  // Makes the folder (mode 0700) if it does not exist; its parent must.
  [[nodiscard]] virtual Status make_dir(const std::string& folder) = 0;
  [[nodiscard]] virtual Status sync_dir(const std::string& folder) = 0;
};

}  // namespace mesh::storage
