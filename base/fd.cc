#include "base/fd.h"

#include <unistd.h>

#include <utility>

namespace mesh {

UniqueFd& UniqueFd::operator=(UniqueFd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

int UniqueFd::release() { return std::exchange(fd_, -1); }

void UniqueFd::reset() {
  if (fd_ >= 0) ::close(fd_);  // never retried: on Linux the descriptor is gone even after EINTR (close(2))
  fd_ = -1;
}

}  // namespace mesh
