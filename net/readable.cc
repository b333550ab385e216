#include "net/readable.h"

#include <uv.h>

#include "net/loop.h"
#include "net/sockets.h"

namespace mesh::net {

struct Readable::Block {
  uv_poll_t handle;
  Readable* owner;
};

Result<std::unique_ptr<Readable>> Readable::watch(Loop& loop, int descriptor, UniqueFunction<void()> on_readable) {
  std::unique_ptr<Readable> watcher(new Readable(std::move(on_readable)));
  auto block = std::make_unique<Block>(Block{{}, watcher.get()});
  if (const int code = uv_poll_init(loop.raw(), &block->handle, descriptor); code != 0)
    return socket_error("watch a descriptor", -code);
  watcher->block_ = block.release();
  watcher->block_->handle.data = watcher->block_;
  const int code = uv_poll_start(&watcher->block_->handle, UV_READABLE | UV_DISCONNECT, [](uv_poll_t* handle, int, int) {
    auto* self = static_cast<Block*>(handle->data);
    if (self->owner == nullptr) return;
    UniqueFunction<void()> fn = std::move(self->owner->on_readable_);
    fn();  // may destroy the owner
    if (self->owner != nullptr) self->owner->on_readable_ = std::move(fn);
  });
  if (code != 0) return socket_error("watch a descriptor", -code);
  return watcher;
}

Readable::~Readable() {
  if (block_ == nullptr) return;
  block_->owner = nullptr;
  uv_poll_stop(&block_->handle);
  uv_close(reinterpret_cast<uv_handle_t*>(&block_->handle),
           [](uv_handle_t* handle) { delete static_cast<Block*>(handle->data); });
}

}  // namespace mesh::net
