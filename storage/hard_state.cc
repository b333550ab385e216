#include "storage/hard_state.h"

#include "base/mutant.h"

namespace mesh::storage {
namespace {

constexpr std::string_view kTemporaryName = "control.tmp";
constexpr std::uint64_t kCopyDistance = 2 * kLogPageBytes;  // a slot's second copy is two pages behind its first
constexpr int kPages = kControlFileBytes / kLogPageBytes;

std::string path_in(const std::string& folder, std::string_view name) { return folder + "/" + std::string(name); }

Status write_record(File& file, const ControlRecord& record) {
  const std::uint64_t slot = record.number % 2 * kLogPageBytes;
  const Bytes page = encode_control(record);
  MESH_TRY_STATUS(file.write_at(slot, page));
  MESH_TRY_STATUS(file.write_at(slot + kCopyDistance, page));
  return MESH_MUTANT(ControlNotSynced) ? Status() : file.sync_data();
}

// The newest valid record of the four pages.
Result<ControlRecord> choose_record(ByteView content) {
  std::optional<ControlRecord> newest;
  for (int i = 0; i < kPages; ++i) {
    const std::size_t offset = static_cast<std::size_t>(i) * kLogPageBytes;
    auto record = decode_control(content.substr(std::min(offset, content.size()), kLogPageBytes));
    if (!record && record.error().code == Code::Unsupported)
      return std::move(record).error().context("offset {}", offset);
    if (record && (!newest || record->number > newest->number)) newest = std::move(record).value();
  }
  if (!newest)
    return error(Code::Corrupt,
                 "none of its {} copies is intact", kPages);
  return std::move(*newest);
}

}  // namespace

Result<std::unique_ptr<HardStateFile>> HardStateFile::create(Disk& disk, const std::string& folder,
                                                             ControlRecord record) {
  const std::string temporary = path_in(folder, kTemporaryName);
  if (auto removed = disk.remove(temporary); !removed && removed.error().code != Code::NotFound)
    return std::move(removed).error();
  MESH_TRY(file, disk.open(temporary, OpenMode::CreateNew));
  record.number = 1;
  MESH_TRY_STATUS(file->write_at(0, Bytes(kControlFileBytes, '\0')));
  MESH_TRY_STATUS(write_record(*file, record));
  MESH_TRY_STATUS(disk.rename(temporary, path_in(folder, kControlFileName)));
  MESH_TRY_STATUS(disk.sync_dir(folder));
  return std::unique_ptr<HardStateFile>(new HardStateFile(std::move(file), std::move(record)));
}

Result<std::unique_ptr<HardStateFile>> HardStateFile::open(Disk& disk, const std::string& folder) {
  const std::string path = path_in(folder, kControlFileName);
  MESH_TRY(file, disk.open(path, OpenMode::ReadWrite));
  MESH_TRY(content, file->read_at(0, kControlFileBytes));
  auto record = choose_record(content);
  if (!record) return std::move(record).error().context("control file {}", path);
  return std::unique_ptr<HardStateFile>(new HardStateFile(std::move(file), std::move(record).value()));
}

Status HardStateFile::save(ControlRecord record) {
  record.number = record_.number + 1;
  MESH_TRY_STATUS(write_record(*file_, record));
  record_ = std::move(record);
  return {};
}

}  // namespace mesh::storage
