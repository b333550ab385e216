#include "storage/segment_spare.h"

#include <algorithm>

#include "storage/log_format.h"

namespace mesh::storage {
namespace {
constexpr std::uint64_t kZeroChunkBytes = 256u << 10;
constexpr std::uint64_t kSyncStepBytes = 1u << 20;  // bounds what finish() may have to wait for
}  // namespace

SegmentSpare::SegmentSpare(Disk& disk, const std::string& folder, std::uint64_t segment_bytes)
    : disk_(disk), folder_(folder), path_(folder + "/" + std::string(kSpareFileName)), segment_bytes_(segment_bytes) {
  CHECK(segment_bytes % kLogPageBytes == 0 && segment_bytes > kSegmentDataOffset, "segments of {} bytes", segment_bytes);
}

Status SegmentSpare::begin() {
  if (file_) return {};
  if (auto removed = disk_.remove(path_); !removed && removed.error().code != Code::NotFound) return removed;
  MESH_TRY(file, disk_.open(path_, OpenMode::CreateNew));
  file_ = std::move(file);
  zeroed_ = synced_ = 0;
  return {};
}

Status SegmentSpare::zero_to(std::uint64_t end) {
  const Bytes zeros(static_cast<std::size_t>(std::min(kZeroChunkBytes, end > zeroed_ ? end - zeroed_ : 0)), '\0');
  while (zeroed_ < end) {
    const std::uint64_t chunk = std::min<std::uint64_t>(zeros.size(), end - zeroed_);
    MESH_TRY_STATUS(file_->write_at(zeroed_, ByteView(zeros).substr(0, static_cast<std::size_t>(chunk))));
    zeroed_ += chunk;
    if (zeroed_ - synced_ < kSyncStepBytes) continue;
    MESH_TRY_STATUS(file_->sync_data());
    synced_ = zeroed_;
  }
  return {};
}

Status SegmentSpare::advance(std::uint64_t bytes) {
  if (zeroed_ >= segment_bytes_) return {};
  MESH_TRY_STATUS(begin());
  return zero_to(std::min(segment_bytes_, zeroed_ + bytes));
}

Result<SegmentSpare::Ready> SegmentSpare::finish(std::uint64_t bytes, ByteView header_page, const std::string& path) {
  MESH_TRY_STATUS(begin());
  MESH_TRY_STATUS(zero_to(std::max(bytes, segment_bytes_)));
  MESH_TRY_STATUS(file_->write_at(0, header_page));
  MESH_TRY_STATUS(file_->sync_data());
  MESH_TRY_STATUS(disk_.rename(path_, path));
  MESH_TRY_STATUS(disk_.sync_dir(folder_));
  Ready ready{std::move(file_), zeroed_};
  file_ = nullptr;
  zeroed_ = synced_ = 0;
  return ready;
}

}  // namespace mesh::storage
