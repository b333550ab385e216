#include "net/tls/handshake.h"

#include <atomic>
#include <utility>

#include "base/check.h"
#include "base/mailbox.h"
#include "base/thread.h"
#include "net/crypto.h"
#include "net/loop.h"
#include "net/mbedtls.h"
#include "net/timer.h"
#include "net/tls/session.h"

namespace mesh::net {

// ---- the pool ----

// A handshake that was let in: mbedTLS's context, and its place in the pool while it lasts.
struct AdmittedHandshake {
  template <class Options>
  AdmittedHandshake(std::shared_ptr<std::atomic<std::size_t>> counter, std::size_t thread_index, Options options)
      : session(std::move(options)), thread(thread_index), count(std::move(counter)) {}
  ~AdmittedHandshake() { count->fetch_sub(1, std::memory_order_relaxed); }
  AdmittedHandshake(const AdmittedHandshake&) = delete;
  AdmittedHandshake& operator=(const AdmittedHandshake&) = delete;

  HandshakeSession session;
  const std::size_t thread;            // all its steps run there
  std::atomic<bool> cancelled{false};  // nobody waits for the result
  std::shared_ptr<std::atomic<std::size_t>> count;
};

// One step as a message to a pool thread.
struct HandshakeStep {
  std::shared_ptr<AdmittedHandshake> handshake;
  Bytes in;
  UniqueFunction<void(std::optional<HandshakeSession::Progress>, Bytes out)> answer;  // no progress: the pool has ended
};

class HandshakePool::Core {
 public:
  explicit Core(const HandshakePoolOptions& options) : options_(options) {
    CHECK(options.threads > 0);
    prepare_for_threads();
    for (std::size_t n = 0; n < options.threads; ++n) boxes_.push_back(std::make_unique<Mailbox<HandshakeStep>>(1));
    for (std::size_t n = 0; n < options.threads; ++n)
      threads_.emplace_back(options.thread_name, [this, &box = *boxes_[n]] { serve(box); });
  }

  // Null: full, counted.
  template <class Options>
  std::shared_ptr<AdmittedHandshake> admit(Options options) {
    const std::size_t before = sessions_->fetch_add(1, std::memory_order_relaxed);
    if (before < options_.sessions_max && queued() < options_.queue_max)
      return std::make_shared<AdmittedHandshake>(sessions_, next_thread_++ % boxes_.size(), std::move(options));
    sessions_->fetch_sub(1, std::memory_order_relaxed);
    refused_.fetch_add(1, std::memory_order_relaxed);
    return nullptr;
  }

  // An admitted handshake has one step at a time on its way, so sessions_max bounds the boxes. False: the pool has ended.
  bool submit(HandshakeStep step) {
    Mailbox<HandshakeStep>& box = *boxes_[step.handshake->thread];
    queued_.fetch_add(1, std::memory_order_relaxed);
    if (box.push_answer(std::move(step))) return true;
    queued_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }

  void end() {
    ending_.store(true);
    for (auto& box : boxes_) box->close();
    for (Thread& thread : threads_) thread.join();
  }

  [[nodiscard]] std::size_t sessions() const { return sessions_->load(std::memory_order_relaxed); }
  [[nodiscard]] std::size_t queued() const { return queued_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t refused_total() const { return refused_.load(std::memory_order_relaxed); }

 private:
  void serve(Mailbox<HandshakeStep>& box) {
    std::vector<HandshakeStep> steps;
    while (box.wait(steps)) {
      for (HandshakeStep& step : steps) {
        queued_.fetch_sub(1, std::memory_order_relaxed);
        run(std::move(step));
      }
      steps.clear();
    }
  }

  void run(HandshakeStep step) {
    if (step.handshake->cancelled.load(std::memory_order_relaxed)) return;
    if (ending_.load()) return step.answer(std::nullopt, {});
    Bytes out;
    const HandshakeSession::Progress progress = step.handshake->session.step(step.in, out);
    step.answer(progress, std::move(out));
  }

  const HandshakePoolOptions options_;
  std::vector<std::unique_ptr<Mailbox<HandshakeStep>>> boxes_;
  std::shared_ptr<std::atomic<std::size_t>> sessions_ = std::make_shared<std::atomic<std::size_t>>(0);
  std::atomic<std::size_t> queued_{0};
  std::atomic<std::size_t> next_thread_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<bool> ending_{false};
  std::vector<Thread> threads_;
};

HandshakePool::HandshakePool(const HandshakePoolOptions& options) : core_(std::make_shared<Core>(options)) {}
HandshakePool::~HandshakePool() { core_->end(); }
std::size_t HandshakePool::sessions() const { return core_->sessions(); }
std::size_t HandshakePool::queued() const { return core_->queued(); }
std::uint64_t HandshakePool::refused_total() const { return core_->refused_total(); }

// ---- one handshake ----

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
    if (handshake_ != nullptr) handshake_->cancelled.store(true, std::memory_order_relaxed);
  }

  void start_client(TlsClientOptions options) {
    if (options.server_name.empty() || options.server_name.size() > kServerNameBytesMax)
      return fail_later(error(Code::Invalid, "a TLS client needs a server name of 1 to {} bytes", kServerNameBytesMax));
    if (options.trust == nullptr && options.pinned_root_key_hash.size() != kSha256Bytes)
      return fail_later(error(Code::Invalid, "a TLS client needs a trust bundle or the key hash of a root"));
    if (!admit(std::move(options))) return fail_later(overloaded());
    submit({});
  }
  // Nothing is spent on a client before it speaks.
  void start_server(TlsServerOptions options) {
    if (!options.select || options.trust == nullptr)
      return fail_later(error(Code::Invalid, "a TLS server needs a choice of certificates and a trust bundle"));
    server_options_ = std::make_unique<TlsServerOptions>(std::move(options));
    stream_->resume_reading();
  }

 private:
  template <class Options>
  bool admit(Options options) {
    handshake_ = pool_->admit(std::move(options));
    return handshake_ != nullptr;
  }
  [[nodiscard]] static Error overloaded() {
    return error(Code::Overloaded, "too many TLS handshakes at a time; try again later");
  }

  void on_data(ByteView data) override;
  void on_end() override;
  void on_failed(const Error& failure) override;
  void on_timer();
  void submit(Bytes in);
  void stepped(std::optional<HandshakeSession::Progress> progress, Bytes out);
  void succeed();
  void refuse(Error failure, bool alerted);
  void fail_later(Error failure);
  void fail(Error failure);

  std::shared_ptr<HandshakePool::Core> pool_;
  std::unique_ptr<Stream> stream_;
  Loop& loop_;
  const std::string remote_;
  OnDone on_done_;
  Timer timer_;
  std::unique_ptr<TlsServerOptions> server_options_;  // until the client speaks
  std::shared_ptr<AdmittedHandshake> handshake_;
  std::size_t bytes_in_ = 0;
  std::optional<Error> refusal_;  // told to the peer by an alert; waiting for it to go
  std::shared_ptr<Operation*> self_ = std::make_shared<Operation*>(this);  // null inside once this is gone
};

void TlsHandshake::Operation::on_data(ByteView data) {
  if (refusal_) return;
  bytes_in_ += data.size();
  if (bytes_in_ > kHandshakeBytesMax + Loop::kReadBufferBytes)
    return fail(error(Code::Corrupt, "more than {} bytes in one handshake", kHandshakeBytesMax));
  if (server_options_ != nullptr && !admit(std::move(*std::exchange(server_options_, nullptr)))) return fail(overloaded());
  stream_->pause_reading();
  submit(Bytes(data));
}

void TlsHandshake::Operation::submit(Bytes in) {
  // The step's answer comes back through the loop, which may be gone by then, and so may this.
  auto answer = [loop = loop_.ref(), self = self_](std::optional<HandshakeSession::Progress> progress, Bytes out) {
    (void)loop.post([self, progress, out = std::move(out)]() mutable {
      if (*self != nullptr) (*self)->stepped(progress, std::move(out));
    });
  };
  if (!pool_->submit({handshake_, std::move(in), std::move(answer)}))
    fail_later(error(Code::Cancelled, "TLS has been shut down"));
}

void TlsHandshake::Operation::stepped(std::optional<HandshakeSession::Progress> progress, Bytes out) {
  using Progress = HandshakeSession::Progress;
  if (!progress) return fail(error(Code::Cancelled, "TLS has been shut down"));
  if (!out.empty()) stream_->write(out);
  switch (*progress) {
    case Progress::NeedsBytes: return stream_->resume_reading();
    case Progress::Done: return succeed();
    case Progress::Failed: return refuse(handshake_->session.failure(), !out.empty());
  }
}

void TlsHandshake::Operation::succeed() {
  timer_.stop();
  auto stream = std::make_unique<TlsStream>(std::move(stream_), handshake_->session.take_session(),
                                            handshake_->session.take_rest());
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
  if (handshake_ != nullptr) handshake_->cancelled.store(true, std::memory_order_relaxed);
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

}  // namespace mesh::net
