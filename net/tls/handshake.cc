#include "net/tls/handshake.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "net/crypto.h"
#include "net/loop.h"
#include "net/timer.h"
#include "net/tls/alert.h"
#include "net/tls/handshake_pool.h"
#include "net/tls/record.h"
#include "net/tls/session.h"

namespace mesh::net {

// ---- one handshake ----

namespace {

// Before encryption has begun, so without a session.
Bytes plain_alert(Alert alert) {
  return {static_cast<char>(RecordType::Alert), 3, 3, 0, 2, static_cast<char>(kAlertFatal), static_cast<char>(alert)};
}

}  // namespace

class TlsHandshake::Operation final : StreamObserver {
 public:
  Operation(std::shared_ptr<HandshakePool::Core> pool, std::unique_ptr<Stream> stream, MonoTime deadline, OnDone on_done)
      : pool_(std::move(pool)),
        stream_(std::move(stream)),
        loop_(stream_->loop()),
        remote_(stream_->remote().to_string()),
        on_done_(std::move(on_done)),
        timer_(loop_, [this] { on_timer(); }) {
    stream_->set_observer(this);
    timer_.start_at(deadline != kNever ? deadline : loop_.now() + kHandshakeTimeMax);
  }
  ~Operation() override {
    *self_ = nullptr;
    if (id_ != 0) pool_->leave(id_);
  }

  void start_client(TlsClientOptions options) {
    if (options.server_name.empty() || options.server_name.size() > kServerNameBytesMax)
      return fail_later(error(Code::Invalid, "a TLS client needs a server name of 1 to {} bytes", kServerNameBytesMax));
    if (options.trust == nullptr && options.pinned_root_key_hash.size() != kSha256Bytes)
      return fail_later(error(Code::Invalid, "a TLS client needs a trust bundle or the key hash of a root"));
    time_begun_ = options.time_begun;
    stream_->resume_reading();  // to see if the server gives up while this waits for its turn
    enter(HandshakeSide::Client, std::move(options), {});
  }
  // Nothing is spent on a client before it speaks.
  void start_server(TlsServerOptions options) {
    if (!options.select || options.trust == nullptr)
      return fail_later(error(Code::Invalid, "a TLS server needs a choice of certificates and a trust bundle"));
    server_options_ = std::make_unique<TlsServerOptions>(std::move(options));
    stream_->resume_reading();
  }
  [[nodiscard]] bool begun() const { return begun_; }

 private:
  using Answer = PooledHandshake::Answer;

  template <class Options>
  void enter(HandshakeSide side, Options options, Bytes in);

  void on_data(ByteView data) override;
  void on_end() override;
  void on_failed(const Error& failure) override;
  void on_timer();
  void submit(Bytes in);
  void stepped(Answer answer, Bytes out);
  void needs_bytes();
  void succeed();
  void refuse(Error failure, bool alerted);
  void refuse_overloaded();
  void fail_later(Error failure);
  void fail(Error failure);

  std::shared_ptr<HandshakePool::Core> pool_;
  std::unique_ptr<Stream> stream_;
  Loop& loop_;
  const std::string remote_;
  OnDone on_done_;
  Timer timer_;
  std::unique_ptr<TlsServerOptions> server_options_;  // until the client speaks
  std::shared_ptr<PooledHandshake> handshake_;        // from then on
  HandshakePool::Core::Id id_ = 0;                    // likewise
  HandshakeSide side_ = HandshakeSide::Server;
  MonoTime entered_at_{};
  Duration time_begun_ = Duration::max();
  bool stepping_ = false;  // a step waits or is under way
  bool begun_ = false;
  std::size_t bytes_in_ = 0;
  Bytes early_;                   // came during the first step or the wait for it, for the second
  std::optional<Error> refusal_;  // told to the peer by an alert; waiting for it to go
  std::shared_ptr<Operation*> self_ = std::make_shared<Operation*>(this);  // null inside once this is gone
};

// Until the first step is done the stream is read on: a peer that gives up is noticed before anything is spent on it.
template <class Options>
void TlsHandshake::Operation::enter(HandshakeSide side, Options options, Bytes in) {
  side_ = side;
  entered_at_ = loop_.now();
  stepping_ = true;
  // A step's answer comes back through the loop, which may be gone by then, and so may this.
  auto on_answer = [loop = loop_.ref(), self = self_](Answer answer, Bytes out) {
    (void)loop.post([self, answer, out = std::move(out)]() mutable {
      if (*self != nullptr) (*self)->stepped(answer, std::move(out));
    });
  };
  handshake_ = std::make_shared<PooledHandshake>(
      PooledHandshake{.options = std::move(options), .in = std::move(in), .on_answer = std::move(on_answer)});
  id_ = pool_->begin({.side = side, .deadline = timer_.deadline(), .time_begun = time_begun_}, handshake_);
  if (id_ == 0) fail_later(error(Code::Cancelled, "TLS has been shut down"));
}

void TlsHandshake::Operation::on_data(ByteView data) {
  if (refusal_) return;
  bytes_in_ += data.size();
  if (bytes_in_ > kHandshakeBytesMax + Loop::kReadBufferBytes)
    return fail(error(Code::Corrupt, "more than {} bytes in one handshake", kHandshakeBytesMax));
  if (server_options_ != nullptr)
    return enter(HandshakeSide::Server, std::move(*std::exchange(server_options_, nullptr)), Bytes(data));
  if (stepping_)
    early_.append(data);
  else
    submit(Bytes(data));
}

void TlsHandshake::Operation::submit(Bytes in) {
  stepping_ = true;
  stream_->pause_reading();
  pool_->submit(id_, std::move(in));
}

void TlsHandshake::Operation::stepped(Answer answer, Bytes out) {
  if (refusal_) return;  // its deadline came during the step
  if (answer == Answer::Ended) return fail(error(Code::Cancelled, "TLS has been shut down"));
  if (answer == Answer::Overloaded) return refuse_overloaded();
  stepping_ = false;
  if (!out.empty()) stream_->write(out);
  switch (answer) {
    case Answer::Done: return succeed();
    case Answer::Failed: return refuse(handshake_->session->failure(), !out.empty());
    default: return needs_bytes();
  }
}

void TlsHandshake::Operation::needs_bytes() {
  if (!std::exchange(begun_, true) && time_begun_ < timer_.deadline() - loop_.now())
    timer_.start_at(loop_.now() + time_begun_);
  if (!early_.empty()) return submit(std::exchange(early_, {}));
  stream_->resume_reading();
}

void TlsHandshake::Operation::succeed() {
  timer_.stop();
  auto stream = std::make_unique<TlsStream>(std::move(stream_), handshake_->session->take_session(),
                                            handshake_->session->take_rest());
  handshake_.reset();
  OnDone on_done = std::move(on_done_);
  on_done(std::move(stream));
}

// An alert must reach the peer: a socket closed with unread input would send RST and destroy it. So the peer's end is
// awaited for a moment.
void TlsHandshake::Operation::refuse(Error failure, bool alerted) {
  handshake_.reset();
  if (!alerted) return fail(std::move(failure));
  refusal_ = std::move(failure);
  stream_->shutdown_write();
  stream_->resume_reading();
  timer_.start_at(std::min(timer_.deadline(), loop_.now() + kHandshakeAlertTimeMax));
}

// TLS has no alert for this; "canceled for some reason unrelated to a protocol failure" (RFC 5246, 7.2.2) is nearest, and
// lets a client try elsewhere at once.
void TlsHandshake::Operation::refuse_overloaded() {
  const std::string_view what = !begun_ ? "waited for its turn" : stepping_ ? "waited for its next step" : "had a silent peer";
  Error failure = error(Code::Overloaded, "our side has more TLS handshakes than it can do in time; this one {}, and ended after {} ms",
                        what, to_millis(loop_.now() - entered_at_));
  const bool tell = side_ == HandshakeSide::Server && !begun_;
  if (tell) stream_->write(plain_alert(Alert::UserCanceled));
  refuse(std::move(failure), tell);
}

void TlsHandshake::Operation::on_end() {
  if (refusal_) return fail(std::move(*refusal_));
  fail(error(Code::Unavailable, "the peer closed the connection during the handshake"));
}

void TlsHandshake::Operation::on_failed(const Error& failure) {
  if (refusal_) return fail(std::move(*refusal_));
  fail(failure);
}

void TlsHandshake::Operation::on_timer() {
  if (refusal_) return fail(std::move(*refusal_));
  if (stepping_) {
    pool_->expire(std::exchange(id_, 0));
    return refuse_overloaded();
  }
  fail(error(Code::Timeout, "not done by its deadline"));
}

void TlsHandshake::Operation::fail_later(Error failure) {
  loop_.defer([self = self_, failure = std::move(failure)]() mutable {
    if (*self != nullptr) (*self)->fail(std::move(failure));
  });
}

void TlsHandshake::Operation::fail(Error failure) {
  timer_.stop();
  stream_.reset();
  if (id_ != 0) pool_->leave(std::exchange(id_, 0));
  handshake_.reset();
  *self_ = nullptr;  // a step on its way finds nobody
  OnDone on_done = std::move(on_done_);
  on_done(std::move(failure).context("while shaking hands with {}", remote_));
}

TlsHandshake::TlsHandshake(HandshakePool& pool, std::unique_ptr<Stream> stream, TlsClientOptions options, OnDone on_done)
    : operation_(std::make_unique<Operation>(pool.core(), std::move(stream), options.deadline, std::move(on_done))) {
  operation_->start_client(std::move(options));
}

TlsHandshake::TlsHandshake(HandshakePool& pool, std::unique_ptr<Stream> stream, TlsServerOptions options, OnDone on_done)
    : operation_(std::make_unique<Operation>(pool.core(), std::move(stream), options.deadline, std::move(on_done))) {
  operation_->start_server(std::move(options));
}

TlsHandshake::~TlsHandshake() = default;
bool TlsHandshake::begun() const { return operation_->begun(); }

}  // namespace mesh::net
