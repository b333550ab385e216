// The record layer of TLS 1.2 with AES-128-GCM (RFC 5246, 6.2; RFC 5288): bytes in, bytes out, no I/O. A handshake gives the
// keys; from then on these two classes are TLS.
//
// Record: type (1), version 3.3 (2), length (2), explicit nonce (8), encrypted bytes, tag (16).
// Nonce: 4 bytes of salt from the handshake, 8 explicit bytes. We send the sequence number, so no nonce repeats under a key;
// what a peer sends may be anything. Additional data: sequence number (8), type, version, length of the plain bytes.
//
// Thread: one at a time. Neither class allocates after construction, but for errors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "net/gcm.h"
#include "net/tls/alert.h"

namespace mesh::net {

enum class RecordType : std::uint8_t { ChangeCipherSpec = 20, Alert = 21, Handshake = 22, Data = 23 };

inline constexpr std::size_t kRecordHeaderBytes = 5;
inline constexpr std::size_t kRecordNonceBytes = 8;  // the explicit part
inline constexpr std::size_t kRecordPrefixBytes = kRecordHeaderBytes + kRecordNonceBytes;
inline constexpr std::size_t kRecordOverheadBytes = kRecordPrefixBytes + kGcmTagBytes;
inline constexpr std::size_t kRecordPlainBytesMax = 16 * 1024;
inline constexpr std::size_t kRecordBytesMax = kRecordOverheadBytes + kRecordPlainBytesMax;
inline constexpr int kIdleRecordsMax = 32;  // empty records and warnings without data between them; more: failure
inline constexpr std::uint64_t kRecordSequenceMax = std::uint64_t{1} << 48;  // records under one key; then failure

inline constexpr std::size_t kTrafficKeyBytes = 16;
inline constexpr std::size_t kTrafficSaltBytes = 4;

// One direction, as the handshake leaves it.
struct TrafficKey {
  Bytes key;   // kTrafficKeyBytes
  Bytes salt;  // kTrafficSaltBytes
  std::uint64_t sequence = 1;  // of the next record: Finished was record 0
};

class RecordWriter {
 public:
  explicit RecordWriter(const TrafficKey& key);

  // Writes a record to out, which has room for plain.size() + kRecordOverheadBytes, and returns its size. plain may be
  // out + kRecordPrefixBytes (encrypted in place), but not overlap otherwise. REQUIRES plain.size() <= kRecordPlainBytesMax.
  std::size_t write(RecordType type, ByteView plain, char* out);
  std::size_t write_alert(std::uint8_t level, Alert alert, char* out);
  // The connection is to be given up: so many records under one key are no longer safe.
  [[nodiscard]] bool exhausted() const { return sequence_ >= kRecordSequenceMax; }

 private:
  std::unique_ptr<const GcmKey> key_;
  char salt_[kTrafficSaltBytes];
  std::uint64_t sequence_;
};

class RecordReader {
 public:
  enum class What : std::uint8_t {
    More,     // input ends within the record
    Data,     // plain bytes are in out
    Nothing,  // a record that carries nothing for the reader
    End,      // close_notify
    Failed,   // failure() says why, alert() what to tell the peer; nothing more may be read
  };
  struct Step {
    What what = What::More;
    std::size_t used = 0;   // bytes of input that the record took
    std::size_t plain = 0;  // bytes written to out
    std::size_t whole = 0;  // More: size of the record, as far as input tells (kRecordHeaderBytes: not yet)
  };

  explicit RecordReader(const TrafficKey& key);

  // Takes the record at the front of input. out has room for kRecordPlainBytesMax and does not overlap input.
  Step next(ByteView input, char* out);

  [[nodiscard]] const Error& failure() const { return *failure_; }
  [[nodiscard]] std::optional<Alert> alert() const { return alert_; }

 private:
  Step fail(Alert alert, Error failure);
  Step take(RecordType type, ByteView plain, std::size_t used);
  Step take_alert(ByteView plain, std::size_t used);
  Step idle(std::size_t used);

  std::unique_ptr<const GcmKey> key_;
  char salt_[kTrafficSaltBytes];
  int idle_records_ = 0;
  std::uint64_t sequence_;
  std::optional<Alert> alert_;
  std::unique_ptr<Error> failure_;
};

}  // namespace mesh::net
