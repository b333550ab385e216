// Reading the segments of a Raft log and judging what is there: whole, torn at the tail, or damaged. The rules and why
// they hold are in docs/formats/raft-log.md ("Torn tail or damage"). Reads only; segment_log.cc acts on the findings.
//
// Thread: the storage thread. Memory: the live entries and one segment.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "raft/types.h"
#include "storage/disk.h"
#include "storage/log_format.h"

namespace mesh::storage {

// Where an entry lies in its segment.
struct EntryPlace {
  std::uint32_t offset = 0;
  std::uint32_t length = 0;  // of the payload

  friend bool operator==(const EntryPlace&, const EntryPlace&) = default;
};

// A segment and the live entries in it: those that no truncation voided, contiguous from first.
struct SegmentContent {
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;     // size of the file
  std::uint64_t data_end = 0;  // behind the last batch that counts
  raft::Index first{};         // of places.front(); meaningless if there is none
  std::vector<EntryPlace> places;

  [[nodiscard]] raft::Index last() const { return first + places.size() - 1; }  // REQUIRES !places.empty()
};

// The end of what was accepted so far; what the next record must continue.
struct LogEnd {
  std::uint64_t batch = 0;     // number of the last batch; 0: none
  std::uint64_t checksum = 0;  // of its last record, or of the segment header if that came later
  raft::LogPosition last;
};

// Bytes behind the last whole batch that had never been reported durable.
struct TornTail {
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;  // up to the last one that is not zero
};

struct LogDamage {
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;       // of the first batch that had been durable and is not whole; 0: the segment's header
  raft::Index from{};             // entries from here on may be lost
  raft::Index durable_through{};  // the log had been durable up to here, as far as the evidence goes
  std::uint64_t batch_seen = 0;   // the highest batch number in the evidence
};

struct LogScan {
  std::vector<SegmentContent> segments;  // those that count, ascending; a damaged one is the last
  std::vector<raft::Entry> entries;      // live ones, contiguous from the first that is held; may begin before the base
  LogEnd end;
  std::uint64_t last_batch_offset = 0;  // of the last batch in the last segment; 0: that holds no batch
  std::optional<TornTail> torn;
  std::optional<LogDamage> damage;      // excludes torn
};

// Reads segments control.first_segment to control.last_segment of the folder. `marker`: what the file `synced` says.
// Errors, with file and offset: Corrupt (a segment is missing), Precondition (another cluster's), Unsupported (newer
// format version), Io.
[[nodiscard]] Result<LogScan> scan_log(Disk& disk, const std::string& folder, const ControlRecord& control,
                                       const std::optional<SyncedMarker>& marker);

}  // namespace mesh::storage
