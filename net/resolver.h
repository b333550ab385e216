// Host names to addresses by the system's resolver (getaddrinfo on libuv's worker threads). Loop thread only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/function.h"
#include "base/result.h"
#include "base/time.h"
#include "net/address.h"

namespace mesh::net {

class Loop;

// One lookup. A literal address is answered without asking anyone, and so is localhost with all names below it, by the
// loopback addresses (RFC 6761, section 6.3): not every host has it in /etc/hosts. on_done: addresses in the system's order, at least
// one; NotFound (no such name), Unavailable (resolver failed) or Timeout. Destroying cancels (the worker may finish
// unheard).
class Resolve {
 public:
  using OnDone = UniqueFunction<void(Result<std::vector<IpAddress>>)>;
  Resolve(Loop& loop, const std::string& host, MonoTime deadline, OnDone on_done);
  ~Resolve();
  Resolve(const Resolve&) = delete;
  Resolve& operator=(const Resolve&) = delete;

 private:
  struct Operation;
  std::shared_ptr<Operation> operation_;
};

}  // namespace mesh::net
