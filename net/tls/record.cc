#include "net/tls/record.h"

#include <cstring>

#include "base/check.h"

namespace mesh::net {

namespace {

constexpr char kVersionMajor = 3;
constexpr char kVersionMinor = 3;
constexpr std::size_t kSequenceBytes = 8;
constexpr std::size_t kAdditionalBytes = kSequenceBytes + kRecordHeaderBytes;

void put_be16(char* out, std::size_t value) {
  out[0] = static_cast<char>(value >> 8);
  out[1] = static_cast<char>(value);
}

void put_be64(char* out, std::uint64_t value) {
  for (std::size_t n = 0; n < kSequenceBytes; ++n) out[n] = static_cast<char>(value >> (56 - 8 * n));
}

void put_header(char* out, RecordType type, std::size_t length) {
  out[0] = static_cast<char>(type);
  out[1] = kVersionMajor;
  out[2] = kVersionMinor;
  put_be16(out + 3, length);
}

// RFC 5246, 6.2.3.3: additional_data = seq_num + TLSCompressed.type + version + length.
struct Additional {
  Additional(std::uint64_t sequence, RecordType type, std::size_t length) {
    put_be64(bytes, sequence);
    put_header(bytes + kSequenceBytes, type, length);
  }
  [[nodiscard]] ByteView view() const { return {bytes, kAdditionalBytes}; }
  char bytes[kAdditionalBytes];
};

// RFC 5288, 3: GCMNonce = salt + nonce_explicit.
struct Nonce {
  Nonce(const char* salt, const char* explicit_part) {
    std::memcpy(bytes, salt, kTrafficSaltBytes);
    std::memcpy(bytes + kTrafficSaltBytes, explicit_part, kRecordNonceBytes);
  }
  [[nodiscard]] ByteView view() const { return {bytes, kGcmNonceBytes}; }
  char bytes[kGcmNonceBytes];
};

std::unique_ptr<const GcmKey> take_key(const TrafficKey& key, char* salt) {
  CHECK(key.key.size() == kTrafficKeyBytes && key.salt.size() == kTrafficSaltBytes && key.sequence != 0);
  std::memcpy(salt, key.salt.data(), kTrafficSaltBytes);
  return make_gcm_key(key.key);
}

}  // namespace

// ---- writing ----

RecordWriter::RecordWriter(const TrafficKey& key) : key_(take_key(key, salt_)), sequence_(key.sequence) {}

std::size_t RecordWriter::write(RecordType type, ByteView plain, char* out) {
  CHECK(plain.size() <= kRecordPlainBytesMax);
  put_header(out, type, kRecordNonceBytes + plain.size() + kGcmTagBytes);
  put_be64(out + kRecordHeaderBytes, sequence_);
  const Nonce nonce(salt_, out + kRecordHeaderBytes);
  const Additional additional(sequence_, type, plain.size());
  char* encrypted = out + kRecordPrefixBytes;
  key_->seal({nonce.view(), additional.view()}, plain, encrypted, encrypted + plain.size());
  ++sequence_;
  return plain.size() + kRecordOverheadBytes;
}

std::size_t RecordWriter::write_alert(std::uint8_t level, Alert alert, char* out) {
  const char plain[2] = {static_cast<char>(level), static_cast<char>(alert)};
  return write(RecordType::Alert, ByteView(plain, sizeof plain), out);
}

// ---- reading ----

RecordReader::RecordReader(const TrafficKey& key) : key_(take_key(key, salt_)), sequence_(key.sequence) {}

RecordReader::Step RecordReader::next(ByteView input, char* out) {
  CHECK(failure_ == nullptr);
  if (input.size() < kRecordHeaderBytes) return {.whole = kRecordHeaderBytes};
  const auto type = static_cast<RecordType>(input[0]);
  if (input[1] != kVersionMajor || input[2] != kVersionMinor)
    return fail(Alert::ProtocolVersion, error(Code::Corrupt, "a record that is not of TLS 1.2"));
  const std::size_t length =
      static_cast<std::size_t>(static_cast<std::uint8_t>(input[3])) << 8 | static_cast<std::uint8_t>(input[4]);
  if (length > kRecordBytesMax - kRecordHeaderBytes)
    return fail(Alert::RecordOverflow, error(Code::Corrupt, "a record of {} bytes", length));
  if (length < kRecordNonceBytes + kGcmTagBytes)
    return fail(Alert::BadRecordMac, error(Code::Corrupt, "a record of {} bytes, too short for its tag", length));
  const std::size_t whole = kRecordHeaderBytes + length;
  if (input.size() < whole) return {.whole = whole};
  if (sequence_ >= kRecordSequenceMax)
    return fail(Alert::InternalError, error(Code::Overloaded, "too many records under one key"));

  const std::size_t plain_size = length - kRecordNonceBytes - kGcmTagBytes;
  const Nonce nonce(salt_, input.data() + kRecordHeaderBytes);
  const Additional additional(sequence_, type, plain_size);
  const ByteView encrypted = input.substr(kRecordPrefixBytes, plain_size);
  const ByteView tag = input.substr(kRecordPrefixBytes + plain_size, kGcmTagBytes);
  if (!key_->open({nonce.view(), additional.view()}, encrypted, tag, out))
    return fail(Alert::BadRecordMac, error(Code::Corrupt, "a record was changed on its way"));
  ++sequence_;
  return take(type, ByteView(out, plain_size), whole);
}

RecordReader::Step RecordReader::take(RecordType type, ByteView plain, std::size_t used) {
  switch (type) {
    case RecordType::Data:
      if (plain.empty()) return idle(used);
      idle_records_ = 0;
      return {.what = What::Data, .used = used, .plain = plain.size()};
    case RecordType::Alert: return take_alert(plain, used);
    case RecordType::Handshake:
      // HelloRequest or ClientHello: the keys of a connection are never made anew.
      return fail(Alert::UnexpectedMessage, error(Code::Corrupt, "the peer asks for renegotiation"));
    case RecordType::ChangeCipherSpec: break;
  }
  return fail(Alert::UnexpectedMessage,
              error(Code::Corrupt, "a record of type {} after the handshake", static_cast<unsigned>(type)));
}

RecordReader::Step RecordReader::take_alert(ByteView plain, std::size_t used) {
  if (plain.size() != 2)
    return fail(Alert::DecodeError, error(Code::Corrupt, "an alert of {} bytes", plain.size()));
  const auto level = static_cast<std::uint8_t>(plain[0]);
  const auto alert = static_cast<std::uint8_t>(plain[1]);
  if (level != kAlertWarning && level != kAlertFatal)
    return fail(Alert::IllegalParameter, error(Code::Corrupt, "an alert of level {}", level));
  if (static_cast<Alert>(alert) == Alert::CloseNotify) return {.what = What::End, .used = used};
  if (level == kAlertWarning) return idle(used);
  Step step = fail(Alert::CloseNotify, error(Code::Unavailable, "the peer ended TLS: {}", alert_text(alert)));
  alert_.reset();  // a fatal alert is not answered
  return step;
}

RecordReader::Step RecordReader::idle(std::size_t used) {
  if (++idle_records_ > kIdleRecordsMax)
    return fail(Alert::UnexpectedMessage, error(Code::Corrupt, "{} records without data", kIdleRecordsMax));
  return {.what = What::Nothing, .used = used};
}

RecordReader::Step RecordReader::fail(Alert alert, Error failure) {
  alert_ = alert;
  failure_ = std::make_unique<Error>(std::move(failure));
  return {.what = What::Failed};
}

}  // namespace mesh::net
