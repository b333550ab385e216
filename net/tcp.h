// Byte streams over TCP and unix sockets, one set of types for both.
//
// Glossary: stream = one connection; listener = accepts streams; connect = one attempt to open a stream; high mark =
// queued output above which the writer should wait; low mark = level at which it is told to go on.
// Thread: everything here belongs to the loop it was made with. To add another kind of socket, start in stream.cc
// (Stream::adopt) and sockets.h.
//
// Cost per read: one read(2) into the loop's shared buffer, no copy, no allocation. Per write: one writev(2); only what
// the kernel does not take is copied (or, for owned bytes, kept) until the socket is writable again.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/function.h"
#include "base/result.h"
#include "base/time.h"
#include "net/address.h"
#include "net/byte_stream.h"
#include "net/shared_bytes.h"

namespace mesh::net {

class Timer;

// Who is at the other end of a unix socket, as the kernel recorded it at connect.
struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups = {};  // supplementary ones
};

class Stream final : public ByteStream {
 public:
  ~Stream() override;  // closes at once: queued output is lost, the peer sees FIN

  void set_observer(StreamObserver* observer) override { observer_ = observer; }
  void set_options(const StreamOptions& options) override { options_ = options; }

  void resume_reading() override;
  void pause_reading() override;  // counted
  [[nodiscard]] bool reading() const override { return reading_; }

  using ByteStream::write;
  bool write(std::span<const ByteView> pieces) override;
  bool write_owned(Bytes data) override;
  bool write_shared(SharedBytes data) override;
  void shutdown_write() override;
  void reset() override;

  [[nodiscard]] std::size_t queued_bytes() const override { return queued_bytes_; }
  [[nodiscard]] bool above_high_mark() const override { return queued_bytes_ > options_.high_mark_bytes; }
  [[nodiscard]] bool failed() const override { return failed_; }
  [[nodiscard]] bool reset_by_peer() const override { return reset_by_peer_; }
  [[nodiscard]] const Endpoint& local() const override { return local_; }
  [[nodiscard]] const Endpoint& remote() const override { return remote_; }
  [[nodiscard]] Loop& loop() const override { return loop_; }

  [[nodiscard]] std::optional<PeerCredentials> peer_credentials() const;  // unix sockets only
  [[nodiscard]] int descriptor() const;  // owned by the stream; for getsockopt and INET_DIAG

  [[nodiscard]] std::uint64_t bytes_read_total() const { return bytes_read_; }
  [[nodiscard]] std::uint64_t bytes_written_total() const { return bytes_written_; }
  [[nodiscard]] std::uint64_t read_pauses_total() const { return read_pauses_; }

  // A connected, non-blocking socket of either kind becomes a stream, which owns it from here, also on error.
  static Result<std::unique_ptr<Stream>> adopt(Loop& loop, int descriptor);

 private:
  struct Block;
  friend class StreamListener;
  friend class StreamConnect;

  Stream(Loop& loop, Block* block);
  std::size_t try_write(std::span<const ByteView> pieces);
  bool queue_rest(std::span<const ByteView> pieces, std::size_t sent);
  bool queue_whole(Bytes owned, SharedBytes shared, std::size_t sent);
  bool queued_more(std::size_t bytes);
  void submit();
  void on_read(std::ptrdiff_t count);
  [[nodiscard]] int pending_error() const;
  void on_end_of_input();
  void on_submitted(int status);
  void check_stall();
  void start_shutdown();
  void on_shut_down(int status);
  void write_failed(int uv_code);
  void fail_later(Error failure);
  void fail_now(const Error& failure);

  Loop& loop_;
  Block* block_;  // libuv's handle and what it may still touch after ~Stream
  StreamObserver* observer_ = nullptr;
  StreamOptions options_;
  Endpoint local_;
  Endpoint remote_;
  std::size_t queued_bytes_ = 0;
  std::uint64_t bytes_read_ = 0;
  std::uint64_t bytes_written_ = 0;
  std::uint64_t read_pauses_ = 0;
  std::unique_ptr<Timer> stall_;           // made when output first has to wait
  std::size_t stall_mark_ = 0;             // what libuv had left when the stall timer started
  std::optional<Error> write_failure_;     // reported once what the peer sent before has been read
  std::shared_ptr<Stream*> failing_later_; // null inside once the stream is gone
  bool reading_ = false;
  bool ended_ = false;
  bool failed_ = false;
  bool reset_by_peer_ = false;
  bool wants_writable_ = false;
  bool shutdown_wanted_ = false;
};

struct ListenOptions {
  int backlog = 1024;
  bool reuse_port = false;    // several loops share one TCP port
  mode_t unix_mode = 0660;    // permissions of a unix socket's path
};

class StreamListener {
 public:
  using OnAccept = UniqueFunction<void(std::unique_ptr<Stream>)>;

  // Listens at once. Port 0 takes any free one (see local()). An IPv6 listener takes IPv6 only. A unix path left over
  // by a dead process is replaced; one that still answers is an error.
  // Errors: Conflict if taken (names the owner of the port where it can be found), Denied, Invalid, Io.
  static Result<std::unique_ptr<StreamListener>> listen(Loop& loop, const Endpoint& where, const ListenOptions& options,
                                                        OnAccept on_accept);
  // A listening socket made elsewhere (socket activation, hand-over from an old process); owned from here.
  static Result<std::unique_ptr<StreamListener>> adopt(Loop& loop, int descriptor, OnAccept on_accept);
  ~StreamListener();  // a unix path that is still ours is removed
  StreamListener(const StreamListener&) = delete;
  StreamListener& operator=(const StreamListener&) = delete;

  [[nodiscard]] const Endpoint& local() const { return local_; }
  [[nodiscard]] int descriptor() const;

  // While paused, connections wait in the kernel's queue.
  void pause();
  void resume();

 private:
  struct Block;
  StreamListener(Loop& loop, OnAccept on_accept);
  int open(int descriptor, int backlog);
  void on_connection(int status);
  void accept_one();

  Loop& loop_;
  OnAccept on_accept_;
  Block* block_ = nullptr;
  std::shared_ptr<StreamListener*> self_;  // null inside once the listener is gone
  Endpoint local_;
  std::uint64_t unix_inode_ = 0;
  bool paused_ = false;
  bool waiting_ = false;  // libuv holds one accepted connection
};

struct ConnectOptions {
  MonoTime deadline = kNever;            // REQUIRES a real time: every wait has a deadline
  std::optional<IpAddress> source{};     // bind to this address first
};

// One attempt. on_done is called once with the stream or with Timeout, Unavailable (refused, unreachable), Io.
class StreamConnect {
 public:
  using OnDone = UniqueFunction<void(Result<std::unique_ptr<Stream>>)>;
  StreamConnect(Loop& loop, const Endpoint& to, const ConnectOptions& options, OnDone on_done);
  ~StreamConnect();
  StreamConnect(const StreamConnect&) = delete;
  StreamConnect& operator=(const StreamConnect&) = delete;

 private:
  struct Operation;
  std::shared_ptr<Operation> operation_;
};

}  // namespace mesh::net
