#include "net/connect_error.h"
#include "net/loop.h"
#include "net/sockets.h"
#include "net/stream_block.h"
#include "net/timer.h"

namespace mesh::net {

struct StreamConnect::Operation {
  Operation(Loop& on_loop, const Endpoint& target, OnDone done)
      : loop(on_loop), to(target), on_done(std::move(done)), timer(on_loop, [this] { timed_out(); }) {}
  ~Operation() {
    if (block != nullptr) block->close();
  }

  void start(const ConnectOptions& options);
  int connect(const ConnectOptions& options);
  void connected(int status);
  void timed_out();
  void finish(Result<std::unique_ptr<Stream>> result);

  Loop& loop;
  Endpoint to;
  OnDone on_done;
  Timer timer;
  Stream::Block* block = nullptr;  // until it becomes a Stream
  std::weak_ptr<Operation> self;
};

namespace {

// libuv may finish after the operation was destroyed: the request finds it, or not, through a weak pointer.
template <class Operation>
struct Request {
  uv_connect_t uv;
  std::weak_ptr<Operation> operation;
};

}  // namespace

void StreamConnect::Operation::start(const ConnectOptions& options) {
  timer.start_at(options.deadline);
  block = Stream::Block::make(loop, to.is_unix());
  const int code = connect(options);
  if (code == 0) return;
  loop.defer([weak = self, code] {
    if (auto operation = weak.lock()) operation->connected(code);
  });
}

int StreamConnect::Operation::connect(const ConnectOptions& options) {
  if (to.is_unix() && to.unix_path().size() > kUnixPathBytesMax) return UV_ENAMETOOLONG;
  if (options.source && !to.is_unix()) {
    const SocketName source = to_socket_name(Address{*options.source, 0});
    if (const int code = uv_tcp_bind(&block->uv.tcp, source.get(), 0); code != 0) return code;
  }
  auto* request = new Request<Operation>{{}, self};
  request->uv.data = request;
  const uv_connect_cb done = [](uv_connect_t* uv, int status) {
    const std::unique_ptr<Request<Operation>> own(static_cast<Request<Operation>*>(uv->data));
    if (auto operation = own->operation.lock()) operation->connected(status);
  };
  if (to.is_unix()) {
    uv_pipe_connect(&request->uv, &block->uv.pipe, to.unix_path().c_str(), done);
    return 0;
  }
  const int code = uv_tcp_connect(&request->uv, &block->uv.tcp, to_socket_name(to).get(), done);
  if (code != 0) delete request;
  return code;
}

void StreamConnect::Operation::connected(int status) {
  if (block == nullptr) return;
  if (status != 0)
    return finish(socket_error("connect", -status).context("while connecting to {}", to.to_string()));
  finish(Stream::Block::finish(loop, std::exchange(block, nullptr)));
}

void StreamConnect::Operation::timed_out() {
  finish(error(Code::Timeout, "while connecting to {}: no answer in time", to.to_string()));
}

void StreamConnect::Operation::finish(Result<std::unique_ptr<Stream>> result) {
  timer.stop();
  if (block != nullptr) std::exchange(block, nullptr)->close();
  // The callback may destroy the StreamConnect.
  OnDone fn = std::move(on_done);
  fn(std::move(result));
}

StreamConnect::StreamConnect(Loop& loop, const Endpoint& to, const ConnectOptions& options, OnDone on_done)
    : operation_(std::make_shared<Operation>(loop, to, std::move(on_done))) {
  CHECK(options.deadline != kNever, "a connect needs a deadline");
  operation_->self = operation_;
  operation_->start(options);
}

StreamConnect::~StreamConnect() = default;

bool connection_refused(const Error& failure) {
  return failure.code == Code::Unavailable && failure.message.ends_with(socket_error("connect", ECONNREFUSED).message);
}

}  // namespace mesh::net
