#include "storage/log_format.h"

#include <charconv>

#include "base/hash.h"
#include "base/mutant.h"
#include "storage/base_format.h"

namespace mesh::storage {
namespace {

constexpr std::string_view kControlMagic = "MESHCTRL";
constexpr std::string_view kSegmentMagic = "MESHSEGM";
constexpr std::string_view kMarkerMagic = "MESHSYNC";
constexpr std::size_t kPageChecksumOffset = kLogPageBytes - 8;
constexpr std::size_t kMarkerChecksumOffset = 24;
constexpr std::uint8_t kRecordMark = 0xA5;
constexpr std::size_t kHeaderChecksumOffset = 48;
constexpr std::string_view kSegmentPrefix = "segment-";
constexpr std::string_view kSegmentSuffix = ".log";
constexpr std::size_t kSegmentDigits = 16;

void append_uuid(Bytes& out, const Uuid& id) { out.append(reinterpret_cast<const char*>(id.bytes().data()), 16); }

Uuid read_uuid(ByteView in) {
  Uuid::Raw raw{};
  std::memcpy(raw.data(), in.data(), raw.size());
  return Uuid(raw);
}

// Walks over fixed-width fields; the caller has checked that they are all there.
class FieldReader {
 public:
  explicit FieldReader(ByteView in) : in_(in) {}
  std::uint64_t be64() { return read_be64(take(8)); }
  Uuid uuid() { return read_uuid(take(16)); }
  [[nodiscard]] ByteView rest() const { return in_; }

 private:
  ByteView take(std::size_t n) {
    const ByteView piece = in_.substr(0, n);
    in_.remove_prefix(n);
    return piece;
  }
  ByteView in_;
};

Bytes begin_page(std::string_view magic) {
  Bytes out;
  out.reserve(kLogPageBytes);
  out.append(magic);
  append_be32(out, kLogFormatVersion);
  append_be32(out, 0);
  return out;
}

void seal_page(Bytes& out) {
  CHECK(out.size() <= kPageChecksumOffset, "page content of {} bytes", out.size());
  out.resize(kPageChecksumOffset, '\0');
  append_be64(out, xxh3_64(out));
}

Status check_page(ByteView page, std::string_view magic) {
  if (page.size() != kLogPageBytes) return error(Code::Corrupt, "only {} bytes long", page.size());
  if (page.substr(0, 8) != magic) return error(Code::Corrupt, "does not begin with {}", magic);
  if (read_be64(page.substr(kPageChecksumOffset)) != xxh3_64(page.substr(0, kPageChecksumOffset)))
    return error(Code::Corrupt, "wrong checksum");
  const std::uint32_t version = read_be32(page.substr(8, 4));
  if (version != kLogFormatVersion)
    return error(Code::Unsupported, "format version {}, this program reads {}: start a release that knows it", version,
                 kLogFormatVersion);
  return {};
}

// Of the header without the record's checksum, which covers the payload, too.
std::uint64_t header_checksum(ByteView record) { return xxh3_64(record.substr(8, kHeaderChecksumOffset - 8)); }

}  // namespace

Bytes encode_control(const ControlRecord& record) {
  Bytes out = begin_page(kControlMagic);
  append_be64(out, record.number);
  append_uuid(out, record.cluster_id);
  append_be64(out, record.hard_state.term.value());
  append_be64(out, record.hard_state.vote.value());
  append_be64(out, record.first_segment);
  append_be64(out, record.last_segment);
  append_be64(out, record.damaged_through.value());
  append_log_base(out, record.base);
  seal_page(out);
  return out;
}

Result<ControlRecord> decode_control(ByteView page) {
  MESH_TRY_STATUS(check_page(page, kControlMagic));
  FieldReader in(page.substr(16));
  ControlRecord record;
  record.number = in.be64();
  record.cluster_id = in.uuid();
  record.hard_state.term = raft::Term(in.be64());
  record.hard_state.vote = raft::ServerId(in.be64());
  record.first_segment = in.be64();
  record.last_segment = in.be64();
  record.damaged_through = raft::Index(in.be64());
  MESH_TRY(base, decode_log_base(in.rest()));
  record.base = std::move(base);
  return record;
}

Bytes encode_segment_header(const SegmentHeader& header) {
  Bytes out = begin_page(kSegmentMagic);
  append_uuid(out, header.cluster_id);
  append_be64(out, header.segment);
  append_be64(out, header.first_batch);
  append_be64(out, header.previous_batch);
  append_be64(out, header.previous_checksum);
  append_be64(out, header.previous.index.value());
  append_be64(out, header.previous.term.value());
  seal_page(out);
  return out;
}

std::uint64_t page_checksum(ByteView page) { return read_be64(page.substr(kPageChecksumOffset)); }

Result<SegmentHeader> decode_segment_header(ByteView page) {
  MESH_TRY_STATUS(check_page(page, kSegmentMagic));
  FieldReader in(page.substr(16));
  SegmentHeader header;
  header.cluster_id = in.uuid();
  header.segment = in.be64();
  header.first_batch = in.be64();
  header.previous_batch = in.be64();
  header.previous_checksum = in.be64();
  header.previous.index = raft::Index(in.be64());
  header.previous.term = raft::Term(in.be64());
  if (std::max({header.segment, header.first_batch, header.previous_batch, header.previous.index.value()}) > kLogNumberMax)
    return error(Code::Corrupt, "numbers beyond any log");
  return header;
}

Bytes encode_marker(const SyncedMarker& marker) {
  Bytes out(kMarkerMagic);
  append_be64(out, marker.batch);
  append_be64(out, marker.last_index.value());
  append_be64(out, xxh3_64(out));
  return out;
}

std::optional<SyncedMarker> decode_marker(ByteView page) {
  if (page.size() < kMarkerChecksumOffset + 8 || page.substr(0, 8) != kMarkerMagic) return std::nullopt;
  if (read_be64(page.substr(kMarkerChecksumOffset, 8)) != xxh3_64(page.substr(0, kMarkerChecksumOffset))) return std::nullopt;
  FieldReader in(page.substr(8));
  SyncedMarker marker;
  marker.batch = in.be64();
  marker.last_index = raft::Index(in.be64());
  if (marker.batch > kLogNumberMax || marker.last_index.value() > kLogNumberMax) return std::nullopt;
  return marker;
}

std::uint64_t append_record(Bytes& out, const RecordHeader& header, ByteView payload) {
  CHECK(payload.size() <= kRecordPayloadBytesMax, "record of {} bytes", payload.size());
  const std::size_t start = out.size();
  out.append(8, '\0');
  append_be64(out, header.previous_checksum);
  append_be64(out, header.batch);
  append_be64(out, header.index.value());
  append_be64(out, header.term.value());
  append_be32(out, static_cast<std::uint32_t>(payload.size()));
  out.push_back(static_cast<char>(header.type));
  out.push_back(static_cast<char>(header.kind));
  out.push_back(header.ends_batch ? 1 : 0);
  out.push_back(static_cast<char>(kRecordMark));
  append_be64(out, header_checksum(ByteView(out).substr(start)));
  out.append(payload);
  const std::uint64_t checksum = xxh3_64(ByteView(out).substr(start + 8));
  Bytes checksum_bytes;
  append_be64(checksum_bytes, checksum);
  out.replace(start, 8, checksum_bytes);
  out.resize(start + record_bytes(payload.size()), '\0');
  out.back() = static_cast<char>(kRecordMark);
  return checksum;
}

std::optional<RecordHeader> peek_record(ByteView bytes) {
  if (bytes.size() < kRecordHeaderBytes) return std::nullopt;
  const auto byte_at = [&](std::size_t i) { return static_cast<std::uint8_t>(bytes[i]); };
  const bool known_type = byte_at(44) == 1 || byte_at(44) == 2;
  if (byte_at(47) != kRecordMark || !known_type || byte_at(46) > 1) return std::nullopt;
  FieldReader in(bytes);
  RecordHeader header;
  header.checksum = in.be64();
  header.previous_checksum = in.be64();
  header.batch = in.be64();
  header.index = raft::Index(in.be64());
  header.term = raft::Term(in.be64());
  header.length = read_be32(bytes.substr(40, 4));
  header.type = static_cast<RecordType>(byte_at(44));
  header.kind = byte_at(45);
  header.ends_batch = byte_at(46) == 1;
  const bool plausible = header.batch <= kLogNumberMax && header.index.value() <= kLogNumberMax &&
                         header.term.value() <= kLogNumberMax && header.length <= kRecordPayloadBytesMax;
  if (!plausible) return std::nullopt;
  return header;
}

std::optional<RecordHeader> decode_record_header(ByteView bytes) {
  const auto header = peek_record(bytes);
  if (!header || read_be64(bytes.substr(kHeaderChecksumOffset, 8)) != header_checksum(bytes)) return std::nullopt;
  return header;
}

std::optional<RecordHeader> decode_record(ByteView bytes) {
  const auto header = decode_record_header(bytes);
  if (!header || bytes.size() < record_bytes(header->length)) return std::nullopt;
  const std::size_t end = kRecordHeaderBytes + header->length;
  if (xxh3_64(bytes.substr(8, end - 8)) != header->checksum && !MESH_MUTANT(ChecksumNotChecked)) return std::nullopt;
  return header;
}

std::string segment_file_name(std::uint64_t segment) {
  return fmt::format("{}{:0{}}{}", kSegmentPrefix, segment, kSegmentDigits, kSegmentSuffix);
}

std::optional<std::uint64_t> parse_segment_file_name(std::string_view name) {
  if (name.size() != kSegmentPrefix.size() + kSegmentDigits + kSegmentSuffix.size()) return std::nullopt;
  if (!name.starts_with(kSegmentPrefix) || !name.ends_with(kSegmentSuffix)) return std::nullopt;
  const std::string_view digits = name.substr(kSegmentPrefix.size(), kSegmentDigits);
  std::uint64_t segment = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), segment);
  if (failure != std::errc{} || end != digits.data() + digits.size() || segment == 0) return std::nullopt;
  return segment;
}

}  // namespace mesh::storage
