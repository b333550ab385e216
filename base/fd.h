// UniqueFd: sole owner of a file descriptor; closes it when destroyed. Moves, does not copy. One thread at a time.
#pragma once

namespace mesh {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept;
  ~UniqueFd() { reset(); }

  [[nodiscard]] int get() const { return fd_; }  // -1: none
  explicit operator bool() const { return fd_ >= 0; }
  // Gives the descriptor to the caller.
  [[nodiscard]] int release();
  // Closes now. Errors of close(2) are lost: whoever needs durability calls fsync before.
  void reset();

 private:
  int fd_ = -1;
};

}  // namespace mesh
