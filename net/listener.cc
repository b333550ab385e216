#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

#include "net/loop.h"
#include "net/sockets.h"
#include "net/stream_block.h"

namespace mesh::net {

struct StreamListener::Block {
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } uv;
  StreamListener* owner;
};

namespace {

std::uint64_t inode_of(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

// A socket file whose process has died refuses connections; one that somebody serves does not.
bool is_left_over(const Endpoint& where) {
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const SocketName name = to_socket_name(where);
  return probe && ::connect(probe.get(), name.get(), name.size) != 0 && errno == ECONNREFUSED;
}

Result<UniqueFd> bind_listener(const Endpoint& where, const ListenOptions& options) {
  const BindOptions bind{.type = SOCK_STREAM, .reuse_port = options.reuse_port};
  auto fd = bind_socket(where, bind);
  if (fd.ok() || !where.is_unix() || fd.error().code != Code::Conflict || !is_left_over(where)) return fd;
  ::unlink(where.unix_path().c_str());
  return bind_socket(where, bind);
}

}  // namespace

StreamListener::StreamListener(Loop& loop, OnAccept on_accept)
    : loop_(loop), on_accept_(std::move(on_accept)), self_(std::make_shared<StreamListener*>(this)) {}

Result<std::unique_ptr<StreamListener>> StreamListener::listen(Loop& loop, const Endpoint& where,
                                                               const ListenOptions& options, OnAccept on_accept) {
  auto fd = bind_listener(where, options);
  if (!fd.ok()) return std::move(fd).error().context("while listening on {}", where.to_string());
  // Nobody can connect before listen(2), so the mode is in force from the first connection.
  if (where.is_unix()) ::chmod(where.unix_path().c_str(), options.unix_mode);
  std::unique_ptr<StreamListener> listener(new StreamListener(loop, std::move(on_accept)));
  if (where.is_unix()) listener->unix_inode_ = inode_of(where.unix_path());
  const int failure = listener->open(fd->release(), options.backlog);
  if (failure == 0) return listener;
  Error why = failure == EADDRINUSE ? address_in_use(where, PortProtocol::Tcp) : socket_error("listen", failure);
  return std::move(why).context("while listening on {}", where.to_string());
}

Result<std::unique_ptr<StreamListener>> StreamListener::adopt(Loop& loop, int descriptor, OnAccept on_accept) {
  std::unique_ptr<StreamListener> listener(new StreamListener(loop, std::move(on_accept)));
  if (const int failure = listener->open(descriptor, SOMAXCONN); failure != 0)
    return socket_error("adopt a listening socket", failure);
  return listener;
}

// 0 or an errno value. Takes the descriptor.
int StreamListener::open(int descriptor, int backlog) {
  UniqueFd fd(descriptor);
  local_ = local_endpoint(descriptor);
  block_ = new Block;
  std::memset(&block_->uv, 0, sizeof block_->uv);
  block_->owner = this;
  int code = 0;
  if (local_.is_unix()) {
    uv_pipe_init(loop_.raw(), &block_->uv.pipe, 0);
    code = uv_pipe_open(&block_->uv.pipe, descriptor);
  } else {
    uv_tcp_init(loop_.raw(), &block_->uv.tcp);
    code = uv_tcp_open(&block_->uv.tcp, descriptor);
  }
  block_->uv.handle.data = block_;
  if (code != 0) return -code;
  (void)fd.release();
  return -uv_listen(&block_->uv.stream, backlog, [](uv_stream_t* stream, int status) {
    if (StreamListener* owner = static_cast<Block*>(stream->data)->owner; owner != nullptr)
      owner->on_connection(status);
  });
}

StreamListener::~StreamListener() {
  *self_ = nullptr;
  if (block_ == nullptr) return;
  if (unix_inode_ != 0 && inode_of(local_.unix_path()) == unix_inode_) ::unlink(local_.unix_path().c_str());
  block_->owner = nullptr;
  uv_close(&block_->uv.handle, [](uv_handle_t* handle) { delete static_cast<Block*>(handle->data); });
}

int StreamListener::descriptor() const {
  uv_os_fd_t fd = -1;
  return uv_fileno(&block_->uv.handle, &fd) == 0 ? fd : -1;
}

void StreamListener::pause() { paused_ = true; }

void StreamListener::resume() {
  if (!paused_) return;
  paused_ = false;
  if (!waiting_) return;
  loop_.defer([self = self_] {
    StreamListener* listener = *self;
    if (listener != nullptr && listener->waiting_ && !listener->paused_) listener->accept_one();
  });
}

// libuv accepts one connection and waits until it is taken with uv_accept; not taking it is the pause.
void StreamListener::on_connection(int status) {
  if (status < 0) return;  // a connection that died in the queue
  waiting_ = true;
  if (!paused_) accept_one();
}

void StreamListener::accept_one() {
  waiting_ = false;
  Stream::Block* block = Stream::Block::make(loop_, local_.is_unix());
  if (uv_accept(&block_->uv.stream, &block->uv.stream) != 0) return block->close();
  // The callback may destroy the listener.
  Block* const own = block_;
  OnAccept fn = std::move(on_accept_);
  fn(Stream::Block::finish(loop_, block));
  if (own->owner != nullptr) own->owner->on_accept_ = std::move(fn);
}

}  // namespace mesh::net
