#include <sys/socket.h>

#include <array>
#include <cstring>

#include "net/loop.h"
#include "net/sockets.h"
#include "net/stream_block.h"
#include "net/timer.h"

namespace mesh::net {

namespace {

constexpr std::size_t kPiecesMax = 64;  // per system call
constexpr unsigned kKeepAliveSeconds = 60;
constexpr std::size_t kCoalesceBytes = 4096;  // small pieces join the last waiting chunk

std::vector<gid_t> peer_groups(int descriptor) {
  std::vector<gid_t> groups(32);
  for (;;) {
    socklen_t size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const int result = getsockopt(descriptor, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
    const std::size_t count = size / sizeof(gid_t);
    if (result == 0) return {groups.begin(), groups.begin() + static_cast<std::ptrdiff_t>(count)};
    if (errno != ERANGE || count <= groups.size()) return {};
    groups.resize(count);
  }
}

uv_buf_t to_buffer(ByteView view) {
  return uv_buf_init(const_cast<char*>(view.data()), static_cast<unsigned>(view.size()));
}

}  // namespace

// ---- the block ----

Stream::Block* Stream::Block::make(Loop& loop, bool unix_socket) {
  auto* block = new Block;
  std::memset(&block->uv, 0, sizeof block->uv);
  if (unix_socket)
    uv_pipe_init(loop.raw(), &block->uv.pipe, 0);
  else
    uv_tcp_init(loop.raw(), &block->uv.tcp);
  block->uv.handle.data = block;
  return block;
}

void Stream::Block::close() {
  owner = nullptr;
  uv_close(&uv.handle, [](uv_handle_t* handle) { delete static_cast<Block*>(handle->data); });
}

int Stream::Block::descriptor() const {
  uv_os_fd_t fd = -1;
  return uv_fileno(&uv.handle, &fd) == 0 ? fd : -1;
}

std::unique_ptr<Stream> Stream::Block::finish(Loop& loop, Block* block) {
  if (block->uv.handle.type == UV_TCP) {
    uv_tcp_nodelay(&block->uv.tcp, 1);
    uv_tcp_keepalive(&block->uv.tcp, 1, kKeepAliveSeconds);
  }
  return std::unique_ptr<Stream>(new Stream(loop, block));
}

// ---- life ----

Stream::Stream(Loop& loop, Block* block)
    : loop_(loop),
      block_(block),
      local_(local_endpoint(block->descriptor())),
      remote_(remote_endpoint(block->descriptor())) {
  block_->owner = this;
}

Result<std::unique_ptr<Stream>> Stream::adopt(Loop& loop, int descriptor) {
  UniqueFd fd(descriptor);
  const bool unix_socket = local_endpoint(descriptor).is_unix();
  Block* block = Block::make(loop, unix_socket);
  const int code =
      unix_socket ? uv_pipe_open(&block->uv.pipe, fd.get()) : uv_tcp_open(&block->uv.tcp, fd.get());
  if (code != 0) {
    block->close();
    return socket_error("adopt a socket", -code);
  }
  (void)fd.release();
  return Block::finish(loop, block);
}

Stream::~Stream() {
  if (failing_later_) *failing_later_ = nullptr;
  if (block_ != nullptr) block_->close();
}

void Stream::reset() {
  if (block_ == nullptr) return;
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  if (!local_.is_unix()) setsockopt(descriptor(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  if (failing_later_) *failing_later_ = nullptr;
  failed_ = true;  // from here every call is a no-op
  reading_ = false;
  stall_.reset();
  std::exchange(block_, nullptr)->close();
}

// ---- reading ----

void Stream::resume_reading() {
  if (reading_ || ended_ || failed_) return;
  reading_ = true;
  uv_read_start(
      &block_->uv.stream,
      [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
        auto* loop = static_cast<Loop*>(handle->loop->data);
        *buffer = uv_buf_init(loop->read_buffer(), static_cast<unsigned>(Loop::kReadBufferBytes));
      },
      [](uv_stream_t* stream, ssize_t count, const uv_buf_t*) {
        if (Stream* owner = static_cast<Block*>(stream->data)->owner; owner != nullptr) owner->on_read(count);
      });
}

void Stream::pause_reading() {
  if (!reading_) return;
  reading_ = false;
  ++read_pauses_;
  uv_read_stop(&block_->uv.stream);
  if (write_failure_) fail_later(*std::exchange(write_failure_, std::nullopt));
}

void Stream::on_read(std::ptrdiff_t count) {
  if (!reading_ || failed_ || count == 0) return;  // 0: libuv's word for "nothing yet"
  if (count > 0) {
    bytes_read_ += static_cast<std::uint64_t>(count);
    return observer_->on_data(ByteView(loop_.read_buffer(), static_cast<std::size_t>(count)));
  }
  const int failure = count == UV_EOF ? pending_error() : static_cast<int>(-count);
  if (failure == 0) return on_end_of_input();
  reset_by_peer_ = failure == ECONNRESET;
  fail_now(socket_error("read", failure));
}

// libuv takes a hang-up that arrives together with the last bytes for an orderly end, without asking the socket; after a
// reset the socket still holds the error.
int Stream::pending_error() const {
  int failure = 0;
  socklen_t size = sizeof failure;
  if (local_.is_unix() || getsockopt(descriptor(), SOL_SOCKET, SO_ERROR, &failure, &size) != 0) return 0;
  return failure;
}

void Stream::on_end_of_input() {
  ended_ = true;
  reading_ = false;
  uv_read_stop(&block_->uv.stream);
  if (write_failure_) return fail_now(*std::exchange(write_failure_, std::nullopt));
  observer_->on_end();
}

// ---- writing ----

bool Stream::write(std::span<const ByteView> pieces) {
  if (failed_ || shutdown_wanted_ || write_failure_) return true;
  return queue_rest(pieces, try_write(pieces));
}

bool Stream::write_owned(Bytes data) {
  if (failed_ || shutdown_wanted_ || write_failure_) return true;
  const ByteView whole = data;
  const std::size_t sent = try_write(std::span<const ByteView>(&whole, 1));
  return queue_whole(std::move(data), nullptr, sent);
}

bool Stream::write_shared(SharedBytes data) {
  if (failed_ || shutdown_wanted_ || write_failure_) return true;
  const ByteView whole = *data;
  const std::size_t sent = try_write(std::span<const ByteView>(&whole, 1));
  return queue_whole({}, std::move(data), sent);
}

// How many bytes the kernel took at once.
std::size_t Stream::try_write(std::span<const ByteView> pieces) {
  if (queued_bytes_ != 0) return 0;
  std::array<uv_buf_t, kPiecesMax> buffers;
  unsigned count = 0;
  for (const ByteView& piece : pieces) {
    if (piece.empty()) continue;
    if (count == kPiecesMax) break;
    buffers[count++] = to_buffer(piece);
  }
  if (count == 0) return 0;
  const int sent = uv_try_write(&block_->uv.stream, buffers.data(), count);
  if (sent == UV_EAGAIN) return 0;
  if (sent < 0) {
    write_failed(sent);
    return 0;
  }
  bytes_written_ += static_cast<std::uint64_t>(sent);
  return static_cast<std::size_t>(sent);
}

bool Stream::queue_rest(std::span<const ByteView> pieces, std::size_t sent) {
  if (failed_ || write_failure_) return true;
  std::size_t waiting = 0;
  for (const ByteView& piece : pieces) waiting += piece.size();
  waiting -= sent;
  if (waiting == 0) return !above_high_mark();
  auto& chunks = block_->chunks;
  const bool joins = chunks.size() > block_->chunks_submitted && !chunks.back().shared &&
                     chunks.back().owned.size() + waiting <= kCoalesceBytes;
  if (!joins) chunks.emplace_back();
  Bytes& into = chunks.back().owned;
  into.reserve(into.size() + waiting);
  for (ByteView piece : pieces) {
    const std::size_t skip = std::min(sent, piece.size());
    sent -= skip;
    into.append(piece.substr(skip));
  }
  return queued_more(waiting);
}

bool Stream::queue_whole(Bytes owned, SharedBytes shared, std::size_t sent) {
  if (failed_ || write_failure_) return true;
  Block::Chunk chunk{std::move(owned), std::move(shared), sent};
  const std::size_t waiting = chunk.rest().size();
  if (waiting == 0) return !above_high_mark();
  block_->chunks.push_back(std::move(chunk));
  return queued_more(waiting);
}

bool Stream::queued_more(std::size_t bytes) {
  queued_bytes_ += bytes;
  if (queued_bytes_ > options_.queue_bytes_max) {
    fail_later(error(Code::Overloaded, "{} bytes of output wait for {}, the limit is {}", queued_bytes_,
                     remote_.to_string(), options_.queue_bytes_max));
    return true;
  }
  if (block_->chunks_submitted == 0) submit();
  wants_writable_ = wants_writable_ || above_high_mark();
  return !above_high_mark();
}

void Stream::submit() {
  std::array<uv_buf_t, kPiecesMax> buffers;
  unsigned count = 0;
  std::size_t bytes = 0;
  for (const auto& chunk : block_->chunks) {
    if (count == kPiecesMax) break;
    buffers[count++] = to_buffer(chunk.rest());
    bytes += chunk.rest().size();
  }
  block_->chunks_submitted = count;
  block_->bytes_submitted = bytes;
  block_->write_request.data = block_;
  const int code = uv_write(&block_->write_request, &block_->uv.stream, buffers.data(), count,
                            [](uv_write_t* request, int status) {
                              if (Stream* owner = static_cast<Block*>(request->data)->owner; owner != nullptr)
                                owner->on_submitted(status);
                            });
  if (code != 0) return write_failed(code);
  if (!stall_) stall_ = std::make_unique<Timer>(loop_, [this] { check_stall(); });
  stall_mark_ = uv_stream_get_write_queue_size(&block_->uv.stream);
  stall_->start_after(options_.write_stall_max);
}

void Stream::on_submitted(int status) {
  if (failed_) return;
  if (status < 0) return write_failed(status);
  auto& chunks = block_->chunks;
  for (; block_->chunks_submitted != 0; --block_->chunks_submitted) chunks.pop_front();
  bytes_written_ += block_->bytes_submitted;
  queued_bytes_ -= block_->bytes_submitted;
  if (!chunks.empty())
    submit();
  else
    stall_->stop();
  if (chunks.empty() && shutdown_wanted_) start_shutdown();
  if (!wants_writable_ || queued_bytes_ > options_.low_mark_bytes || failed_ || shutdown_wanted_) return;
  wants_writable_ = false;
  if (observer_ != nullptr) observer_->on_writable();
}

void Stream::check_stall() {
  const std::size_t left = uv_stream_get_write_queue_size(&block_->uv.stream);
  if (left == stall_mark_)
    return fail_now(error(Code::Timeout, "{} has taken no byte for {} ms", remote_.to_string(),
                          to_millis(options_.write_stall_max)));
  stall_mark_ = left;
  stall_->start_after(options_.write_stall_max);
}

void Stream::shutdown_write() {
  if (shutdown_wanted_ || failed_) return;
  shutdown_wanted_ = true;
  if (queued_bytes_ == 0) start_shutdown();
}

void Stream::start_shutdown() {
  block_->shutdown_request.data = block_;
  const int code = uv_shutdown(&block_->shutdown_request, &block_->uv.stream, [](uv_shutdown_t* request, int status) {
    if (Stream* owner = static_cast<Block*>(request->data)->owner; owner != nullptr) owner->on_shut_down(status);
  });
  if (code != 0 && ended_) fail_later(socket_error("shutdown", -code));
}

// The peer may have gone already. A reader learns that by itself; nobody reads after the end, so that is told here.
void Stream::on_shut_down(int status) {
  if (failed_ || observer_ == nullptr) return;
  if (status == 0) return observer_->on_write_closed();
  if (!ended_) return;
  reset_by_peer_ = status == UV_ENOTCONN || status == UV_ECONNRESET || status == UV_EPIPE;
  fail_now(socket_error("shutdown", -status));
}

// ---- failing ----

// What the peer sent before it broke the connection is still delivered, if somebody reads.
void Stream::write_failed(int uv_code) {
  if (failed_ || write_failure_) return;
  reset_by_peer_ = uv_code == UV_ECONNRESET || uv_code == UV_EPIPE;
  Error failure = socket_error("write", -uv_code);
  if (!reading_) return fail_later(std::move(failure));
  write_failure_ = std::move(failure);
}

void Stream::fail_later(Error failure) {
  if (failed_) return;
  failed_ = true;
  pause_reading();
  failing_later_ = std::make_shared<Stream*>(this);
  loop_.defer([token = failing_later_, failure = std::move(failure)] {
    if (Stream* self = *token; self != nullptr) self->fail_now(failure);
  });
}

void Stream::fail_now(const Error& failure) {
  failed_ = true;
  pause_reading();
  if (stall_) stall_->stop();
  if (observer_ != nullptr) observer_->on_failed(failure);
}

// ---- facts ----

int Stream::descriptor() const { return block_ == nullptr ? -1 : block_->descriptor(); }

std::optional<PeerCredentials> Stream::peer_credentials() const {
  if (!local_.is_unix()) return std::nullopt;
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(descriptor(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return std::nullopt;
  return PeerCredentials{credentials.pid, credentials.uid, credentials.gid, peer_groups(descriptor())};
}

}  // namespace mesh::net
