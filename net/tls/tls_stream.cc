#include "net/tls/tls_stream.h"

#include <cstring>
#include <utility>

#include "base/check.h"
#include "net/loop.h"
#include "net/tls/record.h"
#include "net/tls/session.h"

namespace mesh::net {

namespace {

constexpr std::size_t kRecordsPerWrite = 4;
constexpr std::size_t kWriteScratchBytes = kRecordsPerWrite * kRecordBytesMax;
// What one read of the socket can turn into, with a record begun by an earlier one.
constexpr std::size_t kReadScratchBytes = Loop::kReadBufferBytes + kRecordPlainBytesMax;

// Buffers of the thread, used within one call: two, since what was read is often written elsewhere at once. Each thread
// that has ever moved TLS bytes holds them; streams hold none.
char* read_scratch() {
  thread_local const auto buffer = std::make_unique<char[]>(kReadScratchBytes);
  return buffer.get();
}
char* write_scratch() {
  thread_local const auto buffer = std::make_unique<char[]>(kWriteScratchBytes);
  return buffer.get();
}

// Takes bytes from a list of pieces.
class Gather {
 public:
  explicit Gather(std::span<const ByteView> pieces) : pieces_(pieces) {
    for (const ByteView& piece : pieces) left_ += piece.size();
  }
  [[nodiscard]] std::size_t left() const { return left_; }

  // The next `size` bytes: where they lie if in one piece, else copied to `room`.
  ByteView take(std::size_t size, char* room) {
    while (offset_ == pieces_.front().size()) next_piece();
    const bool whole = pieces_.front().size() - offset_ >= size;
    const ByteView result = whole ? pieces_.front().substr(offset_, size) : copy(size, room);
    if (whole) offset_ += size;
    left_ -= size;
    return result;
  }

 private:
  void next_piece() {
    pieces_ = pieces_.subspan(1);
    offset_ = 0;
  }
  ByteView copy(std::size_t size, char* room) {
    std::size_t done = 0;
    while (done < size) {
      if (offset_ == pieces_.front().size()) next_piece();
      const std::size_t count = pieces_.front().copy(room + done, size - done, offset_);
      done += count;
      offset_ += count;
    }
    return {room, size};
  }

  std::span<const ByteView> pieces_;
  std::size_t offset_ = 0;  // in the front piece
  std::size_t left_ = 0;
};

}  // namespace

// The stream itself: heap, so that the observer may destroy the TlsStream that is calling it.
struct TlsStream::Parts final : StreamObserver {
  Parts(std::unique_ptr<Stream> socket, TlsSession session, Bytes early)
      : below(std::move(socket)),
        writer(session.write),
        reader(session.read),
        backlog(std::move(early)),
        peer_root_key_hash(std::move(session.peer_root_key_hash)),
        alpn(std::move(session.alpn)),
        server_name(std::move(session.server_name)) {
    if (session.peer) peer = std::make_unique<const CertificateInfo>(std::move(*session.peer));
    below->set_observer(this);
  }
  ~Parts() override {
    if (gone != nullptr) *gone = true;
    if (pump_token) *pump_token = nullptr;
  }

  void on_data(ByteView data) override { feed(data); }
  void on_end() override;
  void on_writable() override {
    if (observer != nullptr) observer->on_writable();
  }
  void on_write_closed() override {
    if (observer != nullptr) observer->on_write_closed();
  }
  void on_failed(const Error& error) override;

  // Reading.
  void resume();
  void pause();
  void schedule_pump();
  void pump();
  void feed(ByteView input);
  std::size_t open_partial(ByteView& input, char* out);
  std::size_t open_all(ByteView& input, char* out);
  bool take(const RecordReader::Step& step);
  void keep(ByteView rest, std::size_t whole);
  void deliver_end();
  void fail(Error failure, std::optional<Alert> alert);

  // Writing.
  bool write(std::span<const ByteView> pieces);
  void write_alert(std::uint8_t level, Alert alert);
  void shut_down();
  [[nodiscard]] bool writable() const { return !failed && !write_ended && !below->failed(); }

  std::unique_ptr<Stream> below;
  StreamObserver* observer = nullptr;
  RecordWriter writer;
  RecordReader reader;
  Bytes backlog;  // encrypted: before reading begins what came with the handshake, else the front of a record
  std::unique_ptr<const CertificateInfo> peer;
  Bytes peer_root_key_hash;
  std::string alpn;
  std::string server_name;
  bool* gone = nullptr;  // set by the destructor, for the call in progress
  std::shared_ptr<Parts*> pump_token;
  bool reading = false;
  bool started = false;     // the handshake's rest has been read
  bool end_came = false;    // close_notify
  bool end_told = false;
  bool reader_failed = false;
  bool write_ended = false;
  bool failed = false;
};

// ---- reading ----

void TlsStream::Parts::resume() {
  if (reading || failed || end_told) return;
  reading = true;
  if (started && !end_came) return below->resume_reading();
  schedule_pump();
}

// What waits here already is delivered by the loop's next turn, never from inside a call.
void TlsStream::Parts::schedule_pump() {
  if (pump_token) return;
  pump_token = std::make_shared<Parts*>(this);
  below->loop().defer([token = pump_token] {
    if (*token != nullptr) (*token)->pump();
  });
}

void TlsStream::Parts::pause() {
  if (!reading) return;
  reading = false;
  below->pause_reading();
}

void TlsStream::Parts::pump() {
  pump_token.reset();
  if (failed) return;
  if (writer.exhausted()) return fail(error(Code::Overloaded, "too many records under one key"), std::nullopt);
  if (!reading) return;
  if (end_came) return deliver_end();
  if (!std::exchange(started, true)) {
    bool destroyed = false;
    gone = &destroyed;
    const Bytes early = std::exchange(backlog, {});
    feed(early);
    if (destroyed) return;
    gone = nullptr;
  }
  if (reading && !failed && !end_came) below->resume_reading();
}

// All whole records of `input` become one on_data; the front of an unfinished one is kept.
void TlsStream::Parts::feed(ByteView input) {
  if (failed || end_came) return;
  char* out = read_scratch();
  std::size_t plain = open_partial(input, out);
  plain += open_all(input, out + plain);
  bool destroyed = false;
  bool* const outer = std::exchange(gone, &destroyed);
  if (plain != 0) observer->on_data(ByteView(out, plain));
  if (destroyed) {
    if (outer != nullptr) *outer = true;
    return;
  }
  gone = outer;
  if (failed) return;  // the observer has reset the stream
  if (reader_failed) return fail(reader.failure(), reader.alert());
  if (end_came) {
    below->pause_reading();
    if (reading) deliver_end();
  }
}

// Completes the record that an earlier read began. Returns plain bytes.
std::size_t TlsStream::Parts::open_partial(ByteView& input, char* out) {
  std::size_t plain = 0;
  while (!backlog.empty() && !reader_failed && !end_came) {
    const RecordReader::Step step = reader.next(backlog, out);
    if (take(step)) {
      plain = step.plain;
      CHECK(step.used == backlog.size(), "a kept record holds {} bytes, not {}", backlog.size(), step.used);
      backlog = Bytes();  // its memory too
      break;
    }
    if (reader_failed || end_came || input.empty()) break;
    const std::size_t missing = std::min(step.whole - backlog.size(), input.size());
    backlog.reserve(step.whole);
    backlog.append(input.substr(0, missing));
    input.remove_prefix(missing);
  }
  return plain;
}

std::size_t TlsStream::Parts::open_all(ByteView& input, char* out) {
  std::size_t plain = 0;
  while (!input.empty() && !reader_failed && !end_came) {
    const RecordReader::Step step = reader.next(input, out + plain);
    if (!take(step)) {
      if (step.what == RecordReader::What::More) keep(input, step.whole);
      break;
    }
    plain += step.plain;
    input.remove_prefix(step.used);
  }
  return plain;
}

// True: the record was used up and more may follow.
bool TlsStream::Parts::take(const RecordReader::Step& step) {
  using What = RecordReader::What;
  reader_failed = step.what == What::Failed;
  end_came = step.what == What::End;
  return step.what == What::Data || step.what == What::Nothing;
}

void TlsStream::Parts::keep(ByteView rest, std::size_t whole) {
  backlog.reserve(whole);
  backlog.append(rest);
}

void TlsStream::Parts::deliver_end() {
  backlog = Bytes();
  reading = false;
  end_told = true;
  observer->on_end();
}

void TlsStream::Parts::on_end() {
  if (failed || end_came) return;
  fail(error(Code::Unavailable, "the connection to {} ended without close_notify: truncated", below->remote().to_string()),
       std::nullopt);
}

void TlsStream::Parts::on_failed(const Error& error) {
  if (std::exchange(failed, true)) return;
  reading = false;
  if (observer != nullptr) observer->on_failed(error);
}

void TlsStream::Parts::fail(Error failure, std::optional<Alert> alert) {
  if (alert && writable()) {
    write_alert(kAlertFatal, *alert);
    below->shutdown_write();
  }
  failed = true;
  reading = false;
  below->pause_reading();
  if (observer != nullptr) observer->on_failed(failure);
}

// ---- writing ----

bool TlsStream::Parts::write(std::span<const ByteView> pieces) {
  if (!writable()) return true;
  if (writer.exhausted()) return schedule_pump(), true;
  Gather gather(pieces);
  bool go_on = !below->above_high_mark();
  while (gather.left() != 0) {
    char* const out = write_scratch();
    std::size_t size = 0;
    for (std::size_t n = 0; n < kRecordsPerWrite && gather.left() != 0; ++n) {
      const std::size_t plain_size = std::min(gather.left(), kRecordPlainBytesMax);
      const ByteView plain = gather.take(plain_size, out + size + kRecordPrefixBytes);
      size += writer.write(RecordType::Data, plain, out + size);
    }
    go_on = below->write(ByteView(out, size));
  }
  return go_on;
}

void TlsStream::Parts::write_alert(std::uint8_t level, Alert alert) {
  char record[kRecordOverheadBytes + 2];
  below->write(ByteView(record, writer.write_alert(level, alert, record)));
}

void TlsStream::Parts::shut_down() {
  if (!writable()) return;
  write_alert(kAlertWarning, Alert::CloseNotify);
  write_ended = true;
  below->shutdown_write();
}

// ---- the interface ----

TlsStream::TlsStream(std::unique_ptr<Stream> below, TlsSession session, Bytes early)
    : parts_(std::make_unique<Parts>(std::move(below), std::move(session), std::move(early))) {}
TlsStream::~TlsStream() = default;

const CertificateInfo* TlsStream::peer() const { return parts_->peer.get(); }
const Bytes& TlsStream::peer_root_key_hash() const { return parts_->peer_root_key_hash; }
const std::string& TlsStream::alpn() const { return parts_->alpn; }
const std::string& TlsStream::server_name() const { return parts_->server_name; }

void TlsStream::set_observer(StreamObserver* observer) { parts_->observer = observer; }
void TlsStream::set_options(const StreamOptions& options) { parts_->below->set_options(options); }
void TlsStream::resume_reading() { parts_->resume(); }
void TlsStream::pause_reading() { parts_->pause(); }
bool TlsStream::reading() const { return parts_->reading; }

bool TlsStream::write(std::span<const ByteView> pieces) { return parts_->write(pieces); }
// Encryption is a copy, so owned and shared bytes gain nothing.
bool TlsStream::write_owned(Bytes data) { return write(data); }
bool TlsStream::write_shared(SharedBytes data) { return write(ByteView(*data)); }

void TlsStream::shutdown_write() { parts_->shut_down(); }
void TlsStream::reset() {
  parts_->failed = true;
  parts_->reading = false;
  parts_->below->reset();
}

std::size_t TlsStream::queued_bytes() const { return parts_->below->queued_bytes(); }
bool TlsStream::above_high_mark() const { return parts_->below->above_high_mark(); }
bool TlsStream::failed() const { return parts_->failed || parts_->below->failed(); }
bool TlsStream::reset_by_peer() const { return parts_->below->reset_by_peer(); }
const Endpoint& TlsStream::local() const { return parts_->below->local(); }
const Endpoint& TlsStream::remote() const { return parts_->below->remote(); }
Loop& TlsStream::loop() const { return parts_->below->loop(); }
int TlsStream::descriptor() const { return parts_->below->descriptor(); }
std::uint64_t TlsStream::bytes_read_total() const { return parts_->below->bytes_read_total(); }
std::uint64_t TlsStream::bytes_written_total() const { return parts_->below->bytes_written_total(); }

}  // namespace mesh::net
