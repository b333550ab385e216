// Output of an HTTP/2 session: what waits per stream, and what leaves together.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "base/bytes.h"
#include "net/shared_bytes.h"

namespace mesh::net {

class ByteStream;

// Pieces of one write. Small bytes are copied into it, large ones are kept by count until the write.
class WriteBatch {
 public:
  void copy(ByteView bytes);
  void keep(SharedBytes owner, ByteView part);  // part lies in *owner
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  // Empties itself into the stream.
  void write_to(ByteStream& stream);

 private:
  struct Piece {
    std::size_t copied = 0;  // so many bytes of copied_, if there is no owner
    ByteView part;
    SharedBytes owner;
  };
  Bytes copied_;
  std::vector<Piece> pieces_;
  std::size_t bytes_ = 0;
};

// The body bytes of one stream that have no place in the peer's window yet.
class SendQueue {
 public:
  void push(SharedBytes bytes);
  // The first `bytes` go to the batch. REQUIRES as many are queued.
  void move_to(WriteBatch& batch, std::size_t bytes);
  void clear();
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  std::deque<SharedBytes> chunks_;
  std::size_t taken_ = 0;  // of the first chunk
  std::size_t bytes_ = 0;
};

}  // namespace mesh::net
