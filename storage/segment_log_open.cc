// How a SegmentLog opens: read, judge (log_recovery.h), mend.
#include <algorithm>

#include "storage/segment_log.h"

namespace mesh::storage {
namespace {

constexpr std::uint64_t kZeroChunkBytes = 256u << 10;

std::string parent_of(const std::string& folder) {
  const std::size_t slash = folder.find_last_not_of('/') == std::string::npos ? 0 : folder.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : folder.substr(0, slash);
}

// The log that was read joins the base without a gap and agrees with it.
bool joins_base(const LogScan& scan, const raft::LogPosition& base) {
  if (scan.end.last.index < base.index) return false;
  if (scan.entries.empty()) return scan.end.last == base;
  const raft::Index first = scan.entries.front().index;
  if (first > base.index + 1) return false;
  return first > base.index || scan.entries[base.index - first].term == base.term;
}

}  // namespace

Result<raft::RecoveredLog> SegmentLog::open_steps() {
  MESH_TRY_STATUS(open_files());
  MESH_TRY_STATUS(remove_strays());
  MESH_TRY(found, scan());
  const bool joins = joins_base(found, control().base.position);
  if (!joins && !found.damage) {
    const raft::Index from = control().base.position.index + 1;
    found.damage = LogDamage{control().first_segment, 0, from, std::max(from, found.end.last.index), found.end.batch};
    found.torn.reset();
  }
  MESH_TRY_STATUS(adopt(found));
  MESH_TRY_STATUS(found.damage ? repair(*found.damage, joins) : settle_tail(found));
  // What was read may have come from the page cache alone; from here on it is durable.
  MESH_TRY_STATUS(control_->save(control()));
  if (end_.batch > 0) MESH_TRY_STATUS(write_marker());

  report_ = {found.torn, found.damage, control().damaged_through};
  raft::RecoveredLog recovered;
  recovered.hard_state = control().hard_state;
  recovered.base = control().base;
  recovered.damaged = control().damaged_through > raft::Index(0);
  if (joins) {
    std::erase_if(found.entries, [&](const raft::Entry& e) { return e.index <= recovered.base.position.index; });
    recovered.entries = std::move(found.entries);
  }
  return recovered;
}

Status SegmentLog::open_files() {
  MESH_TRY_STATUS(disk_.make_dir(options_.folder));
  MESH_TRY_STATUS(disk_.sync_dir(parent_of(options_.folder)));
  MESH_TRY_STATUS(open_marker());
  auto control_file = HardStateFile::open(disk_, options_.folder);
  if (!control_file && control_file.error().code == Code::NotFound) return create_control();
  if (!control_file) return std::move(control_file).error();
  control_ = std::move(control_file).value();
  if (control().cluster_id != options_.cluster_id)
    return error(Code::Precondition,
                 "{} belongs to cluster {}, but this server was started for cluster {}: use another data directory",
                 path_of(kControlFileName), control().cluster_id.to_string(), options_.cluster_id.to_string());
  return {};
}

Status SegmentLog::open_marker() {
  const std::string path = path_of(kMarkerFileName);
  auto file = disk_.open(path, OpenMode::ReadWrite);
  if (!file && file.error().code == Code::NotFound) {
    MESH_TRY(fresh, disk_.open(path, OpenMode::CreateNew));
    MESH_TRY_STATUS(fresh->write_at(0, Bytes(kLogPageBytes, '\0')));
    MESH_TRY_STATUS(fresh->sync_data());
    MESH_TRY_STATUS(disk_.sync_dir(options_.folder));
    marker_ = std::move(fresh);
    return {};
  }
  if (!file) return std::move(file).error();
  marker_ = std::move(file).value();
  return {};
}

Status SegmentLog::create_control() {
  MESH_TRY(names, disk_.list(options_.folder));
  for (const std::string& name : names)
    if (parse_segment_file_name(name))
      return error(Code::Corrupt,
                   "{} exists but {} does not; put it back",
                   path_of(name), path_of(kControlFileName));
  ControlRecord record;
  record.cluster_id = options_.cluster_id;
  MESH_TRY(file, HardStateFile::create(disk_, options_.folder, record));
  control_ = std::move(file);
  return {};
}

// Files of an interrupted compaction, reset or roll, and the spare, whose state is not known.
Status SegmentLog::remove_strays() {
  MESH_TRY(names, disk_.list(options_.folder));
  bool removed_any = false;
  for (const std::string& name : names) {
    const auto number = parse_segment_file_name(name);
    const bool belongs = number && control().first_segment <= *number && *number <= control().last_segment;
    if (belongs || (!number && name != kSpareFileName)) continue;
    MESH_TRY_STATUS(disk_.remove(path_of(name)));
    removed_any = true;
  }
  return removed_any ? disk_.sync_dir(options_.folder) : Status{};
}

Result<LogScan> SegmentLog::scan() {
  MESH_TRY(page, marker_->read_at(0, kLogPageBytes));
  return scan_log(disk_, options_.folder, control(), decode_marker(page));
}

Status SegmentLog::adopt(LogScan& scan) {
  for (SegmentContent& content : scan.segments) {
    MESH_TRY(file, disk_.open(path_of(segment_file_name(content.number)), OpenMode::ReadWrite));
    segments_.push_back({std::move(content), std::move(file)});
  }
  end_ = scan.end;
  return {};
}

Status SegmentLog::settle_tail(const LogScan& scan) {
  if (segments_.empty()) return {};
  const Segment& active = segments_.back();
  if (scan.torn) MESH_TRY_STATUS(zero_tail(*active.file, *scan.torn));
  if (scan.last_batch_offset > 0) {
    const std::uint64_t length = active.content.data_end - scan.last_batch_offset;
    MESH_TRY(bytes, active.file->read_at(scan.last_batch_offset, static_cast<std::size_t>(length)));
    MESH_TRY_STATUS(active.file->write_at(scan.last_batch_offset, bytes));
  }
  return active.file->sync_data();
}

Status SegmentLog::zero_tail(File& file, const TornTail& torn) {
  const Bytes zeros(static_cast<std::size_t>(std::min(kZeroChunkBytes, torn.bytes)), '\0');
  for (std::uint64_t done = 0; done < torn.bytes; done += zeros.size()) {
    const auto chunk = static_cast<std::size_t>(std::min<std::uint64_t>(zeros.size(), torn.bytes - done));
    MESH_TRY_STATUS(file.write_at(torn.offset + done, ByteView(zeros).substr(0, chunk)));
  }
  return {};
}

Status SegmentLog::repair(const LogDamage& damage, bool reaches_base) {
  ControlRecord next = control();
  next.damaged_through = std::max(next.damaged_through, damage.durable_through);
  return reaches_base && !segments_.empty() ? repair_behind_prefix(std::move(next), damage.batch_seen + 1)
                                            : restart_at_base(std::move(next), damage.batch_seen + 1);
}

// Keeps what was whole and goes on in a new segment, whose header tells where the damaged one ends.
Status SegmentLog::repair_behind_prefix(ControlRecord next, std::uint64_t first_batch) {
  const std::uint64_t end_before = next.last_segment + 1;
  next.last_segment = segments_.back().content.number;
  MESH_TRY_STATUS(control_->save(next));
  MESH_TRY_STATUS(remove_segments(next.last_segment + 1, end_before));
  SegmentHeader header;
  header.first_batch = first_batch;
  header.previous_batch = end_.batch;
  header.previous_checksum = end_.checksum;
  header.previous = end_.last;
  MESH_TRY(fresh, make_segment(header, 0));
  next.last_segment = fresh.header.segment;
  MESH_TRY_STATUS(control_->save(next));
  adopt_segment(std::move(fresh));
  return {};
}

// Nothing that is left is of use: an empty log behind the base.
Status SegmentLog::restart_at_base(ControlRecord next, std::uint64_t first_batch) {
  SegmentHeader header;
  header.first_batch = first_batch;
  header.previous_batch = first_batch - 1;
  header.previous = next.base.position;
  MESH_TRY(fresh, make_segment(header, 0));
  const std::uint64_t first_before = next.first_segment;
  next.first_segment = next.last_segment = fresh.header.segment;
  MESH_TRY_STATUS(control_->save(next));
  segments_.clear();
  adopt_segment(std::move(fresh));
  return remove_segments(first_before, next.first_segment);
}

}  // namespace mesh::storage
