#include "net/loop.h"

#include <sys/eventfd.h>
#include <unistd.h>
#include <uv.h>

#include <csignal>

#include "base/check.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mailbox.h"
#include "net/timer.h"

namespace mesh::net {

namespace {

// One byte per thread; its address names the thread.
const void* this_thread() {
  thread_local const char tag = 0;
  return &tag;
}

void wake(int event_fd) {
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the reader is awake anyway.
  (void)!::write(event_fd, &one, sizeof one);
}

}  // namespace

// The mailbox and what wakes its reader, owned by the loop and by every LoopRef: a sender that comes after the loop's
// end finds a closed box, and the descriptor it may still write to is not reused.
class Mailslot {
 public:
  Mailslot() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), box_(1, [fd = event_.get()] { wake(fd); }) {
    CHECK(event_.get() >= 0, "cannot make an eventfd: out of file descriptors?");
  }
  // What is posted is bounded by its senders (an answer, a change), not by this box.
  bool post(UniqueFunction<void()> fn) { return box_.push_answer(std::move(fn)); }
  bool take(std::vector<UniqueFunction<void()>>& out) {
    std::uint64_t count = 0;
    (void)!::read(event_.get(), &count, sizeof count);
    return box_.drain(out);
  }
  void close() { box_.close(); }
  [[nodiscard]] int descriptor() const { return event_.get(); }

 private:
  UniqueFd event_;
  Mailbox<UniqueFunction<void()>> box_;
};

bool LoopRef::post(UniqueFunction<void()> fn) const { return slot_ != nullptr && slot_->post(std::move(fn)); }

struct Loop::Handles {
  uv_loop_t loop;
  uv_poll_t posted;
  uv_prepare_t before_wait;
  uv_check_t after_wait;
  uv_idle_t busy;  // active while deferred work waits: the loop then does not block
};

Loop::Loop(std::string name)
    : name_(std::move(name)),
      handles_(std::make_unique<Handles>()),
      slot_(std::make_shared<Mailslot>()),
      ref_(slot_),
      read_buffer_(std::make_unique_for_overwrite<char[]>(kReadBufferBytes)) {
  std::signal(SIGPIPE, SIG_IGN);  // libuv writes without MSG_NOSIGNAL
  Handles& h = *handles_;
  CHECK(uv_loop_init(&h.loop) == 0, "cannot make an event loop: out of file descriptors?");
  h.loop.data = this;
  uv_poll_init(&h.loop, &h.posted, slot_->descriptor());
  uv_poll_start(&h.posted, UV_READABLE,
                [](uv_poll_t* poll, int, int) { static_cast<Loop*>(poll->loop->data)->run_posted(); });
  uv_prepare_init(&h.loop, &h.before_wait);
  uv_prepare_start(&h.before_wait, [](uv_prepare_t* p) { static_cast<Loop*>(p->loop->data)->before_wait(); });
  uv_check_init(&h.loop, &h.after_wait);
  uv_check_start(&h.after_wait, [](uv_check_t* c) { static_cast<Loop*>(c->loop->data)->run_deferred(); });
  uv_idle_init(&h.loop, &h.busy);
}

Loop::~Loop() {
  slot_->close();
  // Destroying a function may destroy objects that defer more.
  std::vector<UniqueFunction<void()>> dropped;
  while (slot_->take(dropped) || !deferred_.empty()) {
    std::vector<UniqueFunction<void()>> batch = std::move(deferred_);
    deferred_.clear();
    dropped.clear();
  }
  Handles& h = *handles_;
  for (uv_handle_t* own : {reinterpret_cast<uv_handle_t*>(&h.posted), reinterpret_cast<uv_handle_t*>(&h.before_wait),
                           reinterpret_cast<uv_handle_t*>(&h.after_wait), reinterpret_cast<uv_handle_t*>(&h.busy)})
    uv_close(own, nullptr);
  int alive = 0;
  uv_walk(
      &h.loop,
      [](uv_handle_t* handle, void* count) {
        if (uv_is_closing(handle) == 0) ++*static_cast<int*>(count);
      },
      &alive);
  CHECK(alive == 0, "loop {} is destroyed before {} of its objects", name_, alive);
  uv_run(&h.loop, UV_RUN_DEFAULT);  // close callbacks, and name lookups that nobody hears
  CHECK(uv_loop_close(&h.loop) == 0, "loop {} does not close", name_);
}

void Loop::run() {
  thread_.store(this_thread(), std::memory_order_relaxed);
  while (!stopping_.load(std::memory_order_acquire)) uv_run(&handles_->loop, UV_RUN_ONCE);
  run_posted();
  run_deferred();
  stopping_.store(false, std::memory_order_relaxed);
}

void Loop::stop() {
  stopping_.store(true, std::memory_order_release);
  post([] {});
}

bool Loop::run_until(UniqueFunction<bool()> done, Duration at_most) {
  thread_.store(this_thread(), std::memory_order_relaxed);
  bool late = false;
  Timer limit(*this, [&late] { late = true; });
  limit.start_after(at_most);
  until_ = &done;
  while (!done() && !late) uv_run(&handles_->loop, UV_RUN_ONCE);
  until_ = nullptr;
  if (deferred_.empty()) uv_idle_stop(&handles_->busy);
  return done();
}

MonoTime Loop::now() const { return mono_now(); }

bool Loop::on_thread() const { return thread_.load(std::memory_order_relaxed) == this_thread(); }

void Loop::defer(UniqueFunction<void()> fn) {
  if (deferred_.empty())
    uv_idle_start(&handles_->busy, [](uv_idle_t*) {});
  deferred_.push_back(std::move(fn));
}

void Loop::run_posted() {
  std::vector<UniqueFunction<void()>> batch;
  if (!slot_->take(batch)) return;
  for (auto& fn : batch) {
    fn();
    fn = nullptr;  // what it owned goes before the next one runs
    ++posts_run_;
  }
}

// A timer or deferred work of this turn may have been what run_until waits for: then the turn must not block.
void Loop::before_wait() {
  run_deferred();
  if (until_ == nullptr) return;
  if ((*until_)())
    uv_idle_start(&handles_->busy, [](uv_idle_t*) {});
  else if (deferred_.empty())
    uv_idle_stop(&handles_->busy);
}

void Loop::run_deferred() {
  if (deferred_.empty()) return;
  std::vector<UniqueFunction<void()>> batch;
  batch.swap(deferred_);
  uv_idle_stop(&handles_->busy);
  for (auto& fn : batch) {
    fn();
    fn = nullptr;
  }
}

uv_loop_s* Loop::raw() { return &handles_->loop; }

char* Loop::read_buffer() { return read_buffer_.get(); }

}  // namespace mesh::net
