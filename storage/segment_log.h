// The Raft log on disk: implements raft::LogStore with preallocated segments of chained records and a control file
// (docs/formats/raft-log.md). The simulator runs this very class on a simulated disk.
//
// Glossary: batch = what one write() adds to the log, atomic on disk; base = what the log builds upon; control record =
// hard state, base and the segments that count. To add something durable: the format page first, then log_format.h.
//
// Cost of a write() that holds entries alone: one encode into a kept buffer, one pwrite, one fdatasync, one small
// unsynced pwrite of the marker, and zeroes for the spare in proportion to what was written. Hard state, compaction and
// a new segment cost one control record (one more fdatasync) each.
//
// Thread: the storage thread. Errors of write(): Unavailable = no space, see raft/storage.h; any other is final: each later
// call, read() included, returns that first error. Errors of open() name file, offset and what to do.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/uuid.h"
#include "raft/storage.h"
#include "storage/disk.h"
#include "storage/hard_state.h"
#include "storage/log_recovery.h"
#include "storage/segment_spare.h"

namespace mesh::storage {

inline constexpr std::uint64_t kSegmentBytesDefault = 16u << 20;
inline constexpr std::uint64_t kLogBatchBytesMax = 256u << 20;  // of one write(); the core's bounds lie far below

struct SegmentLogOptions {
  std::string folder;  // made if missing; its parent must exist
  Uuid cluster_id;     // of the cluster that this server belongs to; open() refuses another's log
  std::uint64_t segment_bytes = kSegmentBytesDefault;  // multiple of 4,096; may differ from earlier runs
};

// What open() found and mended, for the log and for metrics.
struct LogOpenReport {
  std::optional<TornTail> torn;      // was cut
  std::optional<LogDamage> damage;   // found by this open
  raft::Index damaged_through{};     // 0: whole; also set by an earlier open and not yet cleared
};

class SegmentLog final : public raft::LogStore {
 public:
  // disk must outlive the log.
  SegmentLog(Disk& disk, SegmentLogOptions options);
  ~SegmentLog() override;

  Result<raft::RecoveredLog> open() override;
  Result<std::vector<raft::Entry>> read(raft::Index first, raft::Index end, ByteCount max_bytes) override;

  [[nodiscard]] const LogOpenReport& report() const { return report_; }
  // The next segment could not be reserved: once the current one is full, writes will be refused.
  [[nodiscard]] bool space_low() const { return space_low_; }
  // Files of the log, the spare included.
  [[nodiscard]] std::uint64_t disk_bytes() const override;

 protected:
  Status write_durably(const raft::PersistBatch& batch) override;

 private:
  struct Segment {
    SegmentContent content;
    std::unique_ptr<File> file;
  };
  struct NewSegment {  // made, but not yet in the control record
    Segment segment;
    SegmentHeader header;
    std::uint64_t header_checksum = 0;
  };
  struct EncodedBatch {
    std::vector<EntryPlace> places;
    std::optional<raft::LogPosition> truncated_to;
    LogEnd end;
  };

  // open(), in order (segment_log_open.cc)
  Result<raft::RecoveredLog> open_steps();
  Status open_files();
  Status open_marker();
  Status create_control();
  Status remove_strays();
  Result<LogScan> scan();
  Status adopt(LogScan& scan);
  Status settle_tail(const LogScan& scan);
  Status zero_tail(File& file, const TornTail& torn);
  Status repair(const LogDamage& damage, bool reaches_base);
  Status repair_behind_prefix(ControlRecord next, std::uint64_t first_batch);
  Status restart_at_base(ControlRecord next, std::uint64_t first_batch);

  // write_durably(), in order
  Status write_steps(const raft::PersistBatch& batch);
  void check_batch(const raft::PersistBatch& batch) const;
  [[nodiscard]] std::uint64_t record_bytes_of(const raft::PersistBatch& batch) const;
  [[nodiscard]] bool truncates(const raft::PersistBatch& batch) const;
  Status make_room(const raft::PersistBatch& batch, std::uint64_t bytes);
  Status reset(const raft::PersistBatch& batch, std::uint64_t bytes);
  Status append_records(const raft::PersistBatch& batch);
  Result<EncodedBatch> encode(const raft::PersistBatch& batch);
  void apply_to_index(const raft::PersistBatch& batch, const EncodedBatch& encoded);
  Status write_marker();
  Status finish_control(const raft::PersistBatch& batch);
  void reserve_ahead(std::uint64_t bytes_written);

  Result<NewSegment> make_segment(SegmentHeader header, std::uint64_t bytes);
  void adopt_segment(NewSegment fresh);
  Status remove_segments(std::uint64_t first, std::uint64_t end);
  void drop_places_behind(raft::Index last);
  [[nodiscard]] const Segment* segment_of(raft::Index index) const;
  [[nodiscard]] std::string path_of(std::string_view name) const;
  Status read_run(raft::Index end, std::uint64_t bytes_max, std::vector<raft::Entry>& out, raft::Index& next,
                  std::uint64_t& bytes) const;
  Result<raft::Term> term_at(raft::Index index);
  [[nodiscard]] const ControlRecord& control() const { return control_->record(); }

  Disk& disk_;
  const SegmentLogOptions options_;
  std::unique_ptr<HardStateFile> control_;
  std::unique_ptr<File> marker_;
  SegmentSpare spare_;
  std::vector<Segment> segments_;  // ascending; appends go to the last
  LogEnd end_;
  Bytes buffer_;
  Status failure_;  // the first final error
  LogOpenReport report_;
  bool opened_ = false;
  bool space_low_ = false;
};

}  // namespace mesh::storage
