#include "net/signal.h"

#include <uv.h>

#include "net/loop.h"

namespace mesh::net {

struct SignalWatcher::Block {
  uv_signal_t handle;
  UniqueFunction<void()> on_signal;
  bool open;
};

SignalWatcher::SignalWatcher(Loop& loop, int number, UniqueFunction<void()> on_signal)
    : block_(new Block{{}, std::move(on_signal), true}) {
  uv_signal_init(loop.raw(), &block_->handle);
  block_->handle.data = block_;
  const int code = uv_signal_start(
      &block_->handle,
      [](uv_signal_t* handle, int) {
        auto* block = static_cast<Block*>(handle->data);
        if (block->open) block->on_signal();  // the block outlives a watcher that is destroyed in here
      },
      number);
  CHECK(code == 0, "signal {} cannot be watched: {}", number, uv_strerror(code));
}

SignalWatcher::~SignalWatcher() {
  block_->open = false;
  uv_close(reinterpret_cast<uv_handle_t*>(&block_->handle),
           [](uv_handle_t* handle) { delete static_cast<Block*>(handle->data); });
}

}  // namespace mesh::net
