#include "base/thread.h"

#include <pthread.h>
#include <signal.h>

#include <cstring>
#include <utility>

namespace mesh {
namespace {

// Threads inherit the mask of their creator: block everything around the creation, so that no signal slips in between.
class AllSignalsBlocked {
 public:
  AllSignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    const int rc = pthread_sigmask(SIG_SETMASK, &all, &before_);
    CHECK(rc == 0, "pthread_sigmask: {}", std::strerror(rc));
  }
  AllSignalsBlocked(const AllSignalsBlocked&) = delete;
  AllSignalsBlocked& operator=(const AllSignalsBlocked&) = delete;
  ~AllSignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

constexpr std::size_t kNameBytesMax = 15;  // pthread_setname_np(3)

}  // namespace

Thread::Thread(const std::string& name, UniqueFunction<void()> body) {
  CHECK(body, "thread {} without a body", name);
  const AllSignalsBlocked blocked;
  thread_ = std::thread([name = name.substr(0, kNameBytesMax), body = std::move(body)]() mutable {
    pthread_setname_np(pthread_self(), name.c_str());
    body();
  });
}

Thread& Thread::operator=(Thread&& other) noexcept {
  join();
  thread_ = std::move(other.thread_);
  return *this;
}

void Thread::join() {
  if (thread_.joinable()) thread_.join();
}

}  // namespace mesh
