#include "net/timer.h"

#include <uv.h>

#include "net/loop.h"

namespace mesh::net {

struct Timer::Block {
  uv_timer_t handle;
  Timer* owner;
};

Timer::Timer(Loop& loop, UniqueFunction<void()> on_fire)
    : loop_(loop), on_fire_(std::move(on_fire)), block_(new Block{{}, this}) {
  uv_timer_init(loop.raw(), &block_->handle);
  block_->handle.data = block_;
}

Timer::~Timer() {
  block_->owner = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&block_->handle),
           [](uv_handle_t* handle) { delete static_cast<Block*>(handle->data); });
}

void Timer::start_at(MonoTime deadline) {
  deadline_ = deadline;
  // Armed for an earlier time already: fired() finds that it is early and arms again.
  if (deadline_ < armed_for_) arm();
}

void Timer::start_after(Duration delay) {
  const MonoTime now = loop_.now();
  start_at(delay >= kNever - now ? kNever : now + delay);
}

// libuv's timer stays armed: fired() finds nothing to do, or the next start finds it armed early enough.
void Timer::stop() { deadline_ = kNever; }

void Timer::arm() {
  armed_for_ = deadline_;
  const Duration wait = std::max(deadline_ - loop_.now(), Duration::zero());
  // libuv counts from the start of the turn in whole milliseconds.
  uv_update_time(loop_.raw());
  const auto wait_ms = static_cast<std::uint64_t>(to_millis(wait + milliseconds(1) - nanoseconds(1)));
  uv_timer_start(
      &block_->handle,
      [](uv_timer_t* handle) {
        if (Timer* owner = static_cast<Block*>(handle->data)->owner; owner != nullptr) owner->fired();
      },
      wait_ms, 0);
}

void Timer::fired() {
  armed_for_ = kNever;
  if (deadline_ == kNever) return;
  if (loop_.now() < deadline_) return arm();
  deadline_ = kNever;
  // The callback may destroy the timer, and must not lose what it captured while it runs.
  Block* const block = block_;
  UniqueFunction<void()> fn = std::move(on_fire_);
  fn();
  if (block->owner != nullptr) block->owner->on_fire_ = std::move(fn);
}

}  // namespace mesh::net
