#include "storage/log_recovery.h"

#include <algorithm>

namespace mesh::storage {
namespace {

// What proves that a batch had been durable, and where the log then ended.
struct Evidence {
  std::uint64_t batch = 0;
  raft::Index last{};

  void consider(std::uint64_t other_batch, raft::Index other_last) {
    if (other_batch > kLogEvidenceMax || other_batch < batch || (other_batch == batch && other_last < last)) return;
    batch = other_batch;
    last = other_last;
  }
};

// Every intact record in the bytes, whatever precedes it, with a batch number above `above`.
void collect_evidence(ByteView bytes, std::uint64_t above, Evidence& evidence) {
  for (std::size_t offset = 0; offset + kRecordHeaderBytes <= bytes.size(); offset += kRecordAlignment) {
    const auto peeked = peek_record(bytes.substr(offset, kRecordHeaderBytes));
    if (!peeked || peeked->batch <= above) continue;
    const auto record = decode_record(bytes.substr(offset));
    if (!record) continue;
    evidence.consider(record->batch, record->index);
    offset += static_cast<std::size_t>(record_bytes(record->length)) - kRecordAlignment;
  }
}

// Of the sectors that hold [offset, offset + length), one shows nothing but zeros behind `start`, where the write began.
bool sector_lacks(ByteView content, std::size_t start, std::size_t offset, std::size_t length) {
  const std::size_t end = std::min(content.size(), offset + length);
  for (std::size_t sector = offset / kDiskSectorBytes * kDiskSectorBytes; sector < end; sector += kDiskSectorBytes) {
    const std::size_t from = std::max(sector, start);
    const ByteView part = content.substr(from, sector + kDiskSectorBytes - from);
    if (part.find_first_not_of('\0') == ByteView::npos) return true;
  }
  return false;
}

struct OpenSegment {
  std::uint64_t number = 0;
  std::string path;
  std::unique_ptr<File> file;
  std::uint64_t bytes = 0;
  std::optional<SegmentHeader> header;  // none: not intact
  std::uint64_t header_checksum = 0;
};

// A batch that was read and found whole.
struct Batch {
  struct Record {
    RecordHeader header;
    std::size_t offset;
  };
  std::vector<Record> records;
  std::size_t end = 0;
};

class LogScanner {
 public:
  LogScanner(Disk& disk, std::string folder, const ControlRecord& control, const std::optional<SyncedMarker>& marker)
      : disk_(disk), folder_(std::move(folder)), control_(control), marker_(marker) {}

  Result<LogScan> run() {
    MESH_TRY_STATUS(open_segments());
    scan_.end.last = control_.base.position;
    for (std::size_t i = 0; i < segments_.size() && !scan_.damage; ++i) MESH_TRY_STATUS(read_segment(i));
    return std::move(scan_);
  }

 private:
  Status open_segments();
  Status open_segment(std::uint64_t number);
  Status read_segment(std::size_t at);
  bool header_continues(std::size_t at) const;
  bool read_batches(ByteView content, std::uint64_t batch_end, SegmentContent& out);
  std::optional<Batch> read_batch(ByteView content, std::size_t offset, std::uint64_t number) const;
  bool record_continues(const RecordHeader& record, const LogEnd& end) const;
  void accept(const Batch& batch, ByteView content, SegmentContent& out);
  void truncate(const RecordHeader& record, SegmentContent& current);
  Status judge(std::size_t at, ByteView content, const SegmentContent& read);
  bool may_be_torn(ByteView content, std::size_t offset) const;
  Status declare_damage(std::size_t at, std::uint64_t offset, Evidence evidence);

  Disk& disk_;
  const std::string folder_;
  const ControlRecord& control_;
  const std::optional<SyncedMarker>& marker_;
  std::vector<OpenSegment> segments_;
  LogScan scan_;
};

Status LogScanner::open_segments() {
  for (std::uint64_t n = control_.first_segment; n <= control_.last_segment; ++n) MESH_TRY_STATUS(open_segment(n));
  return {};
}

Status LogScanner::open_segment(std::uint64_t number) {
  OpenSegment segment;
  segment.number = number;
  segment.path = folder_ + "/" + segment_file_name(number);
  auto file = disk_.open(segment.path, OpenMode::Read);
  if (!file && file.error().code == Code::NotFound)
    return error(Code::Corrupt,
                 "segment file {} is missing (the log consists of segments {} to {}); put it back",
                 segment.path, control_.first_segment, control_.last_segment);
  if (!file) return std::move(file).error();
  segment.file = std::move(file).value();
  MESH_TRY(bytes, segment.file->size());
  segment.bytes = bytes;
  MESH_TRY(page, segment.file->read_at(0, kLogPageBytes));
  auto header = decode_segment_header(page);
  if (!header && header.error().code == Code::Unsupported)
    return std::move(header).error().context("segment file {}, offset 0", segment.path);
  if (header && header->cluster_id != control_.cluster_id)
    return error(Code::Precondition, "segment file {}, offset 0: belongs to cluster {}, this server to cluster {}",
                 segment.path, header->cluster_id.to_string(), control_.cluster_id.to_string());
  if (header && header->segment == number) {
    segment.header = *header;
    segment.header_checksum = page_checksum(page);
  }
  segments_.push_back(std::move(segment));
  return {};
}

bool LogScanner::header_continues(std::size_t at) const {
  const SegmentHeader& header = *segments_[at].header;
  if (header.first_batch <= header.previous_batch) return false;
  if (at == 0) return true;  // what came before was compacted away
  return header.previous_batch == scan_.end.batch && header.previous_checksum == scan_.end.checksum &&
         header.previous == scan_.end.last;
}

Status LogScanner::read_segment(std::size_t at) {
  const OpenSegment& segment = segments_[at];
  if (!segment.header || !header_continues(at)) return declare_damage(at, 0, {});
  if (at == 0) scan_.end.last = segment.header->previous;
  scan_.end.checksum = segment.header_checksum;
  scan_.end.batch = segment.header->first_batch - 1;
  scan_.last_batch_offset = 0;

  MESH_TRY(content, segment.file->read_at(0, static_cast<std::size_t>(segment.bytes)));
  SegmentContent read;
  read.number = segment.number;
  read.bytes = segment.bytes;
  read.data_end = kSegmentDataOffset;
  // The next header says with which batch this segment ends: what stands behind was given up by a repair.
  const bool has_next = at + 1 < segments_.size();
  const bool next_known = has_next && segments_[at + 1].header;
  const std::uint64_t batch_end = next_known ? segments_[at + 1].header->previous_batch + 1 : UINT64_MAX;
  const bool whole = read_batches(content, batch_end, read);
  scan_.segments.push_back(read);
  const bool ends_as_expected = next_known ? scan_.end.batch + 1 >= batch_end : has_next;
  if (whole && ends_as_expected) return {};
  return judge(at, content, read);
}

// True: everything up to batch_end, or up to zeros, was whole.
bool LogScanner::read_batches(ByteView content, std::uint64_t batch_end, SegmentContent& out) {
  while (scan_.end.batch + 1 < batch_end) {
    const auto offset = static_cast<std::size_t>(out.data_end);
    if (content.find_first_not_of('\0', offset) == ByteView::npos) return true;
    const auto batch = read_batch(content, offset, scan_.end.batch + 1);
    if (!batch) return false;
    accept(*batch, content, out);
    ++scan_.end.batch;
    scan_.last_batch_offset = offset;
  }
  return true;
}

std::optional<Batch> LogScanner::read_batch(ByteView content, std::size_t offset, std::uint64_t number) const {
  Batch batch;
  LogEnd end = scan_.end;
  for (;;) {
    if (offset > content.size()) return std::nullopt;
    const auto record = decode_record(content.substr(offset));
    if (!record || record->batch != number || !record_continues(*record, end)) return std::nullopt;
    batch.records.push_back({*record, offset});
    offset += static_cast<std::size_t>(record_bytes(record->length));
    end.checksum = record->checksum;
    end.last = {record->index, record->term};
    if (record->ends_batch) break;
  }
  batch.end = offset;
  return batch;
}

bool LogScanner::record_continues(const RecordHeader& record, const LogEnd& end) const {
  if (record.previous_checksum != end.checksum) return false;
  if (record.type == RecordType::Truncation) return record.index <= end.last.index && record.length == 0;
  return record.index == end.last.index + 1 && record.term >= end.last.term;
}

void LogScanner::accept(const Batch& batch, ByteView content, SegmentContent& out) {
  for (const auto& [header, offset] : batch.records) {
    if (header.type == RecordType::Truncation) {
      truncate(header, out);
    } else {
      if (out.places.empty()) out.first = header.index;
      out.places.push_back({static_cast<std::uint32_t>(offset), header.length});
      scan_.entries.push_back({header.index, header.term, static_cast<raft::EntryKind>(header.kind),
                               Bytes(content.substr(offset + kRecordHeaderBytes, header.length))});
    }
    scan_.end.checksum = header.checksum;
    scan_.end.last = {header.index, header.term};
  }
  out.data_end = batch.end;
}

void LogScanner::truncate(const RecordHeader& record, SegmentContent& current) {
  while (!scan_.entries.empty() && scan_.entries.back().index > record.index) scan_.entries.pop_back();
  while (!current.places.empty() && current.last() > record.index) current.places.pop_back();
  for (SegmentContent& segment : scan_.segments)
    while (!segment.places.empty() && segment.last() > record.index) segment.places.pop_back();
}

// Something other than whole batches up to the expected end: torn, damaged, or simply the end of the log.
Status LogScanner::judge(std::size_t at, ByteView content, const SegmentContent& read) {
  const std::uint64_t bad_batch = scan_.end.batch + 1;
  const ByteView rest = content.substr(static_cast<std::size_t>(read.data_end));
  Evidence evidence;
  collect_evidence(rest, bad_batch, evidence);
  const bool later_segment = at + 1 < segments_.size();
  const bool marked = marker_ && marker_->batch >= bad_batch;
  const std::size_t last_used = rest.find_last_not_of('\0');
  const bool no_torn_write = last_used != ByteView::npos && !may_be_torn(content, static_cast<std::size_t>(read.data_end));
  if (no_torn_write) evidence.consider(bad_batch, scan_.end.last.index + 1);
  if (later_segment || marked || evidence.batch > 0) return declare_damage(at, read.data_end, evidence);

  if (last_used != ByteView::npos) scan_.torn = TornTail{segments_[at].number, read.data_end, last_used + 1};
  return {};
}

// A power cut leaves each sector of the write as it was before (zeros) or as written; a torn write lacks at least one.
// False: no sector of the batch at `offset` is missing as far as its headers tell, and yet it is not whole.
bool LogScanner::may_be_torn(ByteView content, std::size_t offset) const {
  const std::size_t start = offset;
  LogEnd end = scan_.end;
  for (;;) {
    if (sector_lacks(content, start, offset, kRecordHeaderBytes)) return true;
    const auto header = decode_record_header(content.substr(std::min(offset, content.size())));
    if (!header || header->batch != scan_.end.batch + 1 || !record_continues(*header, end)) return false;
    const auto length = static_cast<std::size_t>(record_bytes(header->length));
    if (sector_lacks(content, start, offset, length)) return true;
    if (header->ends_batch || !decode_record(content.substr(offset))) return false;
    offset += length;
    end.checksum = header->checksum;
    end.last = {header->index, header->term};
  }
}

Status LogScanner::declare_damage(std::size_t at, std::uint64_t offset, Evidence evidence) {
  for (std::size_t i = offset == 0 ? at : at + 1; i < segments_.size(); ++i) {
    const OpenSegment& segment = segments_[i];
    if (segment.header) evidence.consider(segment.header->previous_batch, segment.header->previous.index);
    MESH_TRY(content, segment.file->read_at(0, static_cast<std::size_t>(segment.bytes)));
    collect_evidence(ByteView(content).substr(std::min<std::size_t>(content.size(), kSegmentDataOffset)),
                     scan_.end.batch, evidence);
  }
  if (marker_) evidence.consider(marker_->batch, marker_->last_index);
  const raft::Index from = scan_.end.last.index + 1;
  scan_.damage = LogDamage{segments_[at].number, offset, from, std::max(evidence.last, from),
                           std::max(evidence.batch, scan_.end.batch)};
  return {};
}

}  // namespace

Result<LogScan> scan_log(Disk& disk, const std::string& folder, const ControlRecord& control,
                         const std::optional<SyncedMarker>& marker) {
  return LogScanner(disk, folder, control, marker).run();
}

}  // namespace mesh::storage
