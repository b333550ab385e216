// What stands behind a Stream in libuv. For stream.cc, listener.cc and connect.cc only.
#pragma once

#include <uv.h>

#include <deque>

#include "net/tcp.h"

namespace mesh::net {

struct Stream::Block {
  // Output that the kernel has not taken yet. Addresses of chunks are stable while they wait.
  struct Chunk {
    Bytes owned;
    SharedBytes shared;  // if set, instead of owned
    std::size_t offset = 0;
    [[nodiscard]] ByteView rest() const { return ByteView(shared ? *shared : owned).substr(offset); }
  };

  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } uv;
  Stream* owner = nullptr;  // null once the Stream is gone; the block then waits for libuv's close callback
  std::deque<Chunk> chunks;
  uv_write_t write_request;
  std::size_t chunks_submitted = 0;
  std::size_t bytes_submitted = 0;
  uv_shutdown_t shutdown_request;

  // A handle of the right kind, without a socket.
  static Block* make(Loop& loop, bool unix_socket);
  void close();  // the block deletes itself when libuv is done
  [[nodiscard]] int descriptor() const;
  // REQUIRES connected. TCP: no delay, keep-alive probes.
  static std::unique_ptr<Stream> finish(Loop& loop, Block* block);
};

}  // namespace mesh::net
