// Tells when a descriptor that is not one of net/'s own sockets has something to read (level-triggered). Loop thread
// only. For protocols that need recvmsg(2) themselves, such as the passing of descriptors.
#pragma once

#include <memory>

#include "base/function.h"
#include "base/result.h"

namespace mesh::net {

class Loop;

class Readable {
 public:
  // on_readable is called as long as there is something to read or the other end is gone; it reads until EAGAIN and may
  // destroy this object. The descriptor stays the caller's, is non-blocking and outlives this object.
  static Result<std::unique_ptr<Readable>> watch(Loop& loop, int descriptor, UniqueFunction<void()> on_readable);
  ~Readable();
  Readable(const Readable&) = delete;
  Readable& operator=(const Readable&) = delete;

 private:
  struct Block;
  explicit Readable(UniqueFunction<void()> on_readable) : on_readable_(std::move(on_readable)) {}

  UniqueFunction<void()> on_readable_;
  Block* block_ = nullptr;
};

}  // namespace mesh::net
