// The bytes of the Raft log's files, as docs/formats/raft-log.md describes them: encoding and checked decoding of single
// pieces. Pure functions on memory; any thread. Which pieces belong together is decided by log_recovery.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/uuid.h"
#include "raft/types.h"

namespace mesh::storage {

inline constexpr std::uint32_t kLogFormatVersion = 2;
inline constexpr std::size_t kLogPageBytes = 4096;                        // control slots, segment header
inline constexpr std::size_t kControlFileBytes = 4 * kLogPageBytes;       // slots A B A B
inline constexpr std::uint64_t kSegmentDataOffset = kLogPageBytes;        // first record
inline constexpr std::size_t kRecordHeaderBytes = 56;
inline constexpr std::size_t kRecordEndBytes = 1;                        // behind payload and padding: a byte that is not zero
inline constexpr std::size_t kRecordAlignment = 8;
inline constexpr std::size_t kDiskSectorBytes = 512;                      // what a power cut leaves old or new as a whole
inline constexpr std::size_t kRecordPayloadBytesMax = 16u << 20;          // a longer length field is not a record

inline constexpr std::uint64_t kLogNumberMax = 1ull << 62;                // of batches, indexes, terms: leaves room to count on
inline constexpr std::uint64_t kLogEvidenceMax = 1ull << 61;               // a batch number above it proves nothing: a repair must be able to count on

inline constexpr std::string_view kControlFileName = "control";
inline constexpr std::string_view kMarkerFileName = "synced";
inline constexpr std::string_view kSpareFileName = "spare.tmp";

struct ControlRecord {
  std::uint64_t number = 0;
  Uuid cluster_id;
  raft::HardState hard_state;
  std::uint64_t first_segment = 1;
  std::uint64_t last_segment = 0;  // below first_segment: no segment yet
  raft::Index damaged_through{};   // 0: not damaged
  raft::LogBase base;

  friend bool operator==(const ControlRecord&, const ControlRecord&) = default;
};

struct SegmentHeader {
  Uuid cluster_id;
  std::uint64_t segment = 0;
  std::uint64_t first_batch = 1;
  std::uint64_t previous_batch = 0;
  std::uint64_t previous_checksum = 0;
  raft::LogPosition previous;

  friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

// "The fdatasync of this batch has returned; the log then ended at this index."
struct SyncedMarker {
  std::uint64_t batch = 0;
  raft::Index last_index{};

  friend bool operator==(const SyncedMarker&, const SyncedMarker&) = default;
};

enum class RecordType : std::uint8_t { Entry = 1, Truncation = 2 };

struct RecordHeader {
  std::uint64_t checksum = 0;
  std::uint64_t previous_checksum = 0;
  std::uint64_t batch = 0;
  raft::Index index{};  // of the entry; of a truncation: the last index that stays
  raft::Term term{};    // of the entry; of a truncation: of the entry at index
  std::uint32_t length = 0;
  RecordType type = RecordType::Entry;
  std::uint8_t kind = 0;
  bool ends_batch = false;

  friend bool operator==(const RecordHeader&, const RecordHeader&) = default;
};

// Bytes that a record takes in the file.
[[nodiscard]] constexpr std::uint64_t record_bytes(std::uint64_t payload_length) {
  return (kRecordHeaderBytes + payload_length + kRecordEndBytes + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
}

// Whole pages.
[[nodiscard]] Bytes encode_control(const ControlRecord& record);
[[nodiscard]] Bytes encode_segment_header(const SegmentHeader& header);
[[nodiscard]] Bytes encode_marker(const SyncedMarker& marker);
// The checksum at the end of an encoded page; the first record of a segment names its header's as the one before it.
[[nodiscard]] std::uint64_t page_checksum(ByteView page);

// Corrupt: bad magic, checksum or length. Unsupported: intact, but of a newer format version; the text names both.
[[nodiscard]] Result<ControlRecord> decode_control(ByteView page);
[[nodiscard]] Result<SegmentHeader> decode_segment_header(ByteView page);
// nullopt: not a marker (none written yet, or torn); it is evidence only.
[[nodiscard]] std::optional<SyncedMarker> decode_marker(ByteView page);

// Appends the record with its padding and returns its checksum; header.checksum and header.length are computed.
// REQUIRES payload.size() <= kRecordPayloadBytesMax.
std::uint64_t append_record(Bytes& out, const RecordHeader& header, ByteView payload);

// The header, if bytes begin with 56 bytes that look like one; no checksum is verified.
[[nodiscard]] std::optional<RecordHeader> peek_record(ByteView bytes);
// The header, if bytes begin with one whose own checksum is right: what it says of the record's length can be relied on.
[[nodiscard]] std::optional<RecordHeader> decode_record_header(ByteView bytes);
// The header, if bytes begin with a whole record whose checksums are right; payload: bytes.substr(56, length).
[[nodiscard]] std::optional<RecordHeader> decode_record(ByteView bytes);

// "segment-0000000000000007.log" for 7, and back (nullopt: another file's name).
[[nodiscard]] std::string segment_file_name(std::uint64_t segment);
[[nodiscard]] std::optional<std::uint64_t> parse_segment_file_name(std::string_view name);

}  // namespace mesh::storage
