// The next segment of the Raft log, zeroed ahead of need: an append then never waits for more than what is left to zero,
// and a full disk shows while the current segment still has room.
//
// Thread: the storage thread. Errors are those of storage/disk.h; after Unavailable the same call may be repeated.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "storage/disk.h"

namespace mesh::storage {

class SegmentSpare {
 public:
  // REQUIRES segment_bytes a multiple of 4,096.
  SegmentSpare(Disk& disk, const std::string& folder, std::uint64_t segment_bytes);

  // Zeroes up to `bytes` more, synced in steps, until segment_bytes are there.
  [[nodiscard]] Status advance(std::uint64_t bytes);

  struct Ready {
    std::unique_ptr<File> file;
    std::uint64_t bytes = 0;
  };
  // Zeroes what is missing up to `bytes` (at least a whole segment), writes the header page, syncs, renames to path and
  // syncs the folder. The next call of either function begins another spare.
  [[nodiscard]] Result<Ready> finish(std::uint64_t bytes, ByteView header_page, const std::string& path);

  // Bytes held on the disk.
  [[nodiscard]] std::uint64_t bytes() const { return zeroed_; }

 private:
  Status begin();
  Status zero_to(std::uint64_t end);

  Disk& disk_;
  const std::string folder_;
  const std::string path_;
  const std::uint64_t segment_bytes_;
  std::unique_ptr<File> file_;
  std::uint64_t zeroed_ = 0;
  std::uint64_t synced_ = 0;
};

}  // namespace mesh::storage
