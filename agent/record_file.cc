#include "agent/record_file.h"

#include "base/check.h"
#include "base/hash.h"

namespace mesh::agent {
namespace {

constexpr std::size_t kMagicBytes = 8;
constexpr std::size_t kHeadBytes = 12;  // of a record: length, checksum

}  // namespace

RecordFileWriter::RecordFileWriter(const RecordFileKind& kind) {
  CHECK(kind.magic.size() == kMagicBytes);
  out_.append(kind.magic);
  out_.push_back(static_cast<char>(kind.version));
}

void RecordFileWriter::add(ByteView record) {
  CHECK(!record.empty() && record.size() <= kRecordBytesMax, "a record of {} bytes", record.size());
  put(record);
}

void RecordFileWriter::put(ByteView record) {
  append_be32(out_, static_cast<std::uint32_t>(record.size()));
  append_be64(out_, xxh3_64(record, ordinal_++));
  out_.append(record);
}

Bytes RecordFileWriter::finish() {
  put({});
  return std::move(out_);
}

Result<RecordFileReader> RecordFileReader::open(const RecordFileKind& kind, ByteView file) {
  if (file.size() <= kMagicBytes || !file.starts_with(kind.magic)) return error(Code::Corrupt, "this is not such a file");
  const auto version = static_cast<std::uint8_t>(file[kMagicBytes]);
  if (version != kind.version)
    return error(Code::Unsupported, "layout {}; this release knows {}", unsigned{version}, unsigned{kind.version});
  return RecordFileReader(file.substr(kMagicBytes + 1));
}

Result<std::optional<ByteView>> RecordFileReader::next() {
  if (rest_.size() < kHeadBytes) return error(Code::Corrupt, "the file ends inside record {}", ordinal_);
  const std::size_t size = read_be32(rest_);
  const std::uint64_t checksum = read_be64(rest_.substr(4));
  rest_.remove_prefix(kHeadBytes);
  if (size > kRecordBytesMax || size > rest_.size())
    return error(Code::Corrupt, "the file ends inside record {}", ordinal_);
  const ByteView record = rest_.substr(0, size);
  rest_.remove_prefix(size);
  if (xxh3_64(record, ordinal_) != checksum) return error(Code::Corrupt, "record {} fails its checksum", ordinal_);
  ++ordinal_;
  if (!record.empty()) return std::optional(record);
  if (!rest_.empty()) return error(Code::Corrupt, "{} bytes behind the end", rest_.size());
  return std::optional<ByteView>();
}

}  // namespace mesh::agent
