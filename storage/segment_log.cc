#include "storage/segment_log.h"

#include <algorithm>

#include "base/mutant.h"

namespace mesh::storage {
namespace {

constexpr std::size_t kBufferBytesKept = 1u << 20;
// Zeroed ahead per byte written, so that the spare is ready when half of the current segment is full.
constexpr std::uint64_t kReserveFactor = 2;
constexpr std::uint64_t kReservePageBytes = kLogPageBytes;

}  // namespace

SegmentLog::SegmentLog(Disk& disk, SegmentLogOptions options)
    : disk_(disk), options_(std::move(options)), spare_(disk, options_.folder, options_.segment_bytes) {}

SegmentLog::~SegmentLog() {
  // Evidence only (docs/formats/raft-log.md): its loss is harmless, so an error of this sync is, too.
  if (marker_ && failure_.ok()) static_cast<void>(marker_->sync_data());
}

Result<raft::RecoveredLog> SegmentLog::open() {
  CHECK(!opened_, "opened twice");
  auto recovered = open_steps();
  if (!recovered) failure_ = recovered.error();
  opened_ = true;
  return std::move(recovered).context("Raft log {}", options_.folder);
}

Status SegmentLog::write_durably(const raft::PersistBatch& batch) {
  CHECK(opened_, "written before open()");
  if (!failure_.ok()) return failure_;
  check_batch(batch);
  auto status = write_steps(batch);
  if (!status && status.error().code != Code::Unavailable) failure_ = status;
  return status;
}

void SegmentLog::check_batch(const raft::PersistBatch& batch) const {
  raft::Index last = end_.last.index;
  if (batch.reset) last = batch.reset->position.index;
  const raft::Index base = batch.reset ? last : control().base.position.index;
  if (batch.truncate_from) {
    CHECK(*batch.truncate_from > base, "truncation from {}, base {}", batch.truncate_from->value(), base.value());
    last = std::min(last, *batch.truncate_from - 1);
  }
  for (const raft::Entry& entry : batch.entries) {
    CHECK(entry.index == last + 1, "entry {} behind {}", entry.index.value(), last.value());
    CHECK(entry.payload.size() <= kRecordPayloadBytesMax, "entry {} of {} bytes", entry.index.value(), entry.payload.size());
    last = entry.index;
  }
  if (batch.compact_through)
    CHECK(batch.compact_through->position.index <= last, "compaction through {}, last {}",
          batch.compact_through->position.index.value(), last.value());
}

bool SegmentLog::truncates(const raft::PersistBatch& batch) const {
  return !batch.reset && batch.truncate_from && *batch.truncate_from <= end_.last.index;
}

std::uint64_t SegmentLog::record_bytes_of(const raft::PersistBatch& batch) const {
  std::uint64_t total = truncates(batch) ? record_bytes(0) : 0;
  for (const raft::Entry& entry : batch.entries) total += record_bytes(entry.payload.size());
  CHECK(total <= kLogBatchBytesMax, "batch of {} bytes", total);
  return total;
}

Status SegmentLog::write_steps(const raft::PersistBatch& batch) {
  const std::uint64_t bytes = record_bytes_of(batch);
  MESH_TRY_STATUS(batch.reset ? reset(batch, bytes) : make_room(batch, bytes));
  if (bytes > 0) MESH_TRY_STATUS(append_records(batch));
  return finish_control(batch);
}

// Hard state and, if the records do not fit into the current segment, a new one.
Status SegmentLog::make_room(const raft::PersistBatch& batch, std::uint64_t bytes) {
  ControlRecord next = control();
  if (batch.hard_state) next.hard_state = *batch.hard_state;
  if (batch.mark_damage) next.damaged_through = std::max({next.damaged_through, end_.last.index, raft::Index(1)});
  std::optional<NewSegment> fresh;
  const bool fits = !segments_.empty() && segments_.back().content.data_end + bytes <= segments_.back().content.bytes;
  if (bytes > 0 && !fits) {
    SegmentHeader header;
    header.first_batch = end_.batch + 1;
    header.previous_batch = end_.batch;
    header.previous_checksum = end_.checksum;
    header.previous = end_.last;
    MESH_TRY(made, make_segment(header, bytes));
    next.last_segment = made.header.segment;
    fresh = std::move(made);
  }
  if (next != control()) MESH_TRY_STATUS(control_->save(next));
  if (fresh) adopt_segment(std::move(*fresh));
  return {};
}

Status SegmentLog::reset(const raft::PersistBatch& batch, std::uint64_t bytes) {
  SegmentHeader header;
  header.first_batch = end_.batch + 1;
  header.previous_batch = end_.batch;
  header.previous = batch.reset->position;
  MESH_TRY(fresh, make_segment(header, bytes));
  ControlRecord next = control();
  if (batch.hard_state) next.hard_state = *batch.hard_state;
  if (batch.mark_damage) next.damaged_through = std::max({next.damaged_through, end_.last.index, raft::Index(1)});
  next.base = *batch.reset;
  const std::uint64_t first_before = next.first_segment;
  next.first_segment = next.last_segment = fresh.header.segment;
  MESH_TRY_STATUS(control_->save(next));
  segments_.clear();
  adopt_segment(std::move(fresh));
  return remove_segments(first_before, control().first_segment);
}

// The file exists durably under its name when this returns, with a header that continues the log as given.
Result<SegmentLog::NewSegment> SegmentLog::make_segment(SegmentHeader header, std::uint64_t bytes) {
  header.cluster_id = options_.cluster_id;
  header.segment = control().last_segment + 1;
  MESH_TRY_STATUS(marker_->sync_data());
  const Bytes page = encode_segment_header(header);
  const std::uint64_t needed = (kSegmentDataOffset + bytes + kLogPageBytes - 1) / kLogPageBytes * kLogPageBytes;
  auto ready = spare_.finish(needed, page, path_of(segment_file_name(header.segment)));
  space_low_ = !ready && ready.error().code == Code::Unavailable;
  if (!ready) return std::move(ready).error().context("a new segment of the Raft log");
  NewSegment fresh;
  fresh.segment.content.number = header.segment;
  fresh.segment.content.bytes = ready->bytes;
  fresh.segment.content.data_end = kSegmentDataOffset;
  fresh.segment.file = std::move(ready->file);
  fresh.header = header;
  fresh.header_checksum = page_checksum(page);
  return fresh;
}

void SegmentLog::adopt_segment(NewSegment fresh) {
  end_.batch = fresh.header.first_batch - 1;
  end_.checksum = fresh.header_checksum;
  end_.last = fresh.header.previous;
  segments_.push_back(std::move(fresh.segment));
}

Status SegmentLog::append_records(const raft::PersistBatch& batch) {
  MESH_TRY(encoded, encode(batch));
  Segment& segment = segments_.back();
  const std::uint64_t written = buffer_.size();
  MESH_TRY_STATUS(segment.file->write_at(segment.content.data_end, buffer_));
  if (!MESH_MUTANT(LogNotSynced)) MESH_TRY_STATUS(segment.file->sync_data());
  apply_to_index(batch, encoded);
  segment.content.data_end += written;
  end_ = encoded.end;
  if (buffer_.capacity() > kBufferBytesKept) buffer_ = Bytes();
  MESH_TRY_STATUS(write_marker());
  reserve_ahead(written);
  return {};
}

// Fills buffer_ with the batch's records.
Result<SegmentLog::EncodedBatch> SegmentLog::encode(const raft::PersistBatch& batch) {
  buffer_.clear();
  EncodedBatch encoded;
  encoded.end = end_;
  encoded.end.batch = end_.batch + 1;
  RecordHeader record;
  record.batch = encoded.end.batch;
  const auto append = [&](ByteView payload, bool last) {
    record.previous_checksum = encoded.end.checksum;
    record.ends_batch = last;
    encoded.end.checksum = append_record(buffer_, record, payload);
    encoded.end.last = {record.index, record.term};
  };
  if (truncates(batch) && !MESH_MUTANT(TruncationNotWritten)) {
    record.type = RecordType::Truncation;
    record.index = *batch.truncate_from - 1;
    MESH_TRY(term, term_at(record.index));
    record.term = term;
    encoded.truncated_to = {record.index, record.term};
    append({}, batch.entries.empty());
  }
  record.type = RecordType::Entry;
  const std::uint64_t start = segments_.back().content.data_end;
  for (const raft::Entry& entry : batch.entries) {
    record.index = entry.index;
    record.term = entry.term;
    record.kind = static_cast<std::uint8_t>(entry.kind);
    encoded.places.push_back({static_cast<std::uint32_t>(start + buffer_.size()),
                              static_cast<std::uint32_t>(entry.payload.size())});
    append(entry.payload, &entry == &batch.entries.back());
  }
  return encoded;
}

void SegmentLog::apply_to_index(const raft::PersistBatch& batch, const EncodedBatch& encoded) {
  if (encoded.truncated_to) drop_places_behind(encoded.truncated_to->index);
  if (encoded.places.empty()) return;
  SegmentContent& content = segments_.back().content;
  if (content.places.empty()) content.first = batch.entries.front().index;
  content.places.insert(content.places.end(), encoded.places.begin(), encoded.places.end());
}

void SegmentLog::drop_places_behind(raft::Index last) {
  for (Segment& segment : segments_) {
    SegmentContent& content = segment.content;
    while (!content.places.empty() && content.last() > last) content.places.pop_back();
  }
}

Status SegmentLog::write_marker() {
  auto status = marker_->write_at(0, encode_marker({end_.batch, end_.last.index}));
  // The batch itself is durable; without room for the marker there is merely less evidence.
  if (!status && status.error().code == Code::Unavailable) return {};
  return status;
}

// Zeroes the spare a little further. What goes wrong here does not concern the batch that was written: a full disk is
// remembered, any other error ends the store with the next write.
void SegmentLog::reserve_ahead(std::uint64_t bytes_written) {
  auto status = spare_.advance(kReserveFactor * bytes_written + kReservePageBytes);
  space_low_ = !status && status.error().code == Code::Unavailable;
  if (!status && !space_low_) failure_ = status;
}

Status SegmentLog::finish_control(const raft::PersistBatch& batch) {
  ControlRecord next = control();
  if (batch.clear_damage) next.damaged_through = raft::Index(0);
  if (batch.compact_through && batch.compact_through->position.index > next.base.position.index) {
    next.base = *batch.compact_through;
    std::size_t kept = 0;
    const auto holds_live = [&](const SegmentContent& c) { return !c.places.empty() && c.last() > next.base.position.index; };
    while (kept + 1 < segments_.size() && !holds_live(segments_[kept].content)) ++kept;
    if (!segments_.empty()) next.first_segment = segments_[kept].content.number;
  }
  if (next == control()) return {};
  const std::uint64_t first_before = control().first_segment;
  MESH_TRY_STATUS(control_->save(next));
  report_.damaged_through = next.damaged_through;
  std::erase_if(segments_, [&](const Segment& s) { return s.content.number < next.first_segment; });
  return remove_segments(first_before, next.first_segment);
}

Status SegmentLog::remove_segments(std::uint64_t first, std::uint64_t end) {
  if (first >= end) return {};
  for (std::uint64_t n = first; n < end; ++n)
    if (auto removed = disk_.remove(path_of(segment_file_name(n))); !removed && removed.error().code != Code::NotFound)
      return removed;
  return disk_.sync_dir(options_.folder);
}

std::string SegmentLog::path_of(std::string_view name) const { return options_.folder + "/" + std::string(name); }

std::uint64_t SegmentLog::disk_bytes() const {
  std::uint64_t total = kControlFileBytes + kLogPageBytes + spare_.bytes();
  for (const Segment& segment : segments_) total += segment.content.bytes;
  return total;
}

const SegmentLog::Segment* SegmentLog::segment_of(raft::Index index) const {
  for (auto it = segments_.rbegin(); it != segments_.rend(); ++it)
    if (!it->content.places.empty() && it->content.first <= index && index <= it->content.last()) return &*it;
  return nullptr;
}

Result<raft::Term> SegmentLog::term_at(raft::Index index) {
  if (index == control().base.position.index) return control().base.position.term;
  MESH_TRY(entries, read(index, index + 1, ByteCount(0)));
  return entries.front().term;
}

Result<std::vector<raft::Entry>> SegmentLog::read(raft::Index first, raft::Index end, ByteCount max_bytes) {
  CHECK(opened_ && first < end, "read of [{}, {})", first.value(), end.value());
  if (!failure_.ok()) return failure_.error();
  if (first <= control().base.position.index || first > end_.last.index)
    return error(Code::NotFound, "entry {} is not in the log: it holds {} to {}", first.value(),
                 control().base.position.index.value() + 1, end_.last.index.value());
  end = std::min(end, end_.last.index + 1);
  std::vector<raft::Entry> out;
  std::uint64_t bytes = 0;
  raft::Index next = first;
  while (next < end && (out.empty() || bytes < max_bytes.value())) {
    const raft::Index before = next;
    MESH_TRY_STATUS(read_run(end, max_bytes.value(), out, next, bytes));
    if (next == before) break;
  }
  return out;
}

// Entries from `next` on that lie side by side in one segment and fit; one disk read.
Status SegmentLog::read_run(raft::Index end, std::uint64_t bytes_max, std::vector<raft::Entry>& out, raft::Index& next,
                            std::uint64_t& bytes) const {
  const Segment* segment = segment_of(next);
  CHECK(segment != nullptr, "entry {} is in no segment", next.value());
  const SegmentContent& content = segment->content;
  const std::size_t start = next - content.first;
  const std::size_t limit = std::min<std::uint64_t>(content.places.size(), end - content.first);
  const std::uint64_t offset = content.places[start].offset;
  std::uint64_t run_end = offset;
  std::size_t stop = start;
  for (; stop < limit && content.places[stop].offset == run_end; ++stop) {
    const std::uint64_t cost = content.places[stop].length + raft::kEntryOverheadBytes;
    if (bytes + cost > bytes_max && (!out.empty() || stop > start)) break;
    bytes += cost;
    run_end += record_bytes(content.places[stop].length);
  }
  if (stop == start) return {};
  MESH_TRY(raw, segment->file->read_at(offset, static_cast<std::size_t>(run_end - offset)));
  for (std::size_t i = start; i < stop; ++i, ++next) {
    const std::size_t at = static_cast<std::size_t>(content.places[i].offset - offset);
    const ByteView bytes_left = ByteView(raw).substr(std::min(at, raw.size()));
    const auto record = decode_record(bytes_left);
    if (!record || record->index != next || record->length != content.places[i].length)
      return error(Code::Corrupt, "{}, offset {}: the record of entry {} is damaged",
                   path_of(segment_file_name(content.number)), offset + at, next.value());
    out.push_back({record->index, record->term, static_cast<raft::EntryKind>(record->kind),
                   Bytes(bytes_left.substr(kRecordHeaderBytes, record->length))});
  }
  return {};
}

}  // namespace mesh::storage
