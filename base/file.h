// Whole files and folders, for configuration, caches and tests. Blocking: not on a data loop. The Raft log has its own
// disk interface (storage/disk.h), which the simulator replaces. Any thread; every error is Code::Io with path and cause
// unless a line below says otherwise.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/strong.h"

namespace mesh {

// The whole content. Code::NotFound if there is no such file; Code::Overloaded if it is larger than max (a file that
// grows while it is read included), in which case nothing is returned; Code::Precondition if it is a folder, a pipe or a
// device. Never waits for a writer.
[[nodiscard]] Result<Bytes> read_file(const std::string& path, ByteCount max);
// The same for what a person names on a command line: a pipe or a terminal too, until its end.
[[nodiscard]] Result<Bytes> read_input_file(const std::string& path, ByteCount max);

// Replaces path: after success and after any crash a reader finds the old content or the new one, whole, with the given
// mode. Writes PATH.tmp beside it, syncs it, renames, syncs the folder. On error path is as it was.
// REQUIRES one writer per path at a time.
struct WriteOptions {
  mode_t mode = 0640;
};
[[nodiscard]] Status write_file_atomic(const std::string& path, ByteView content, WriteOptions options = {});

// Makes the folder and the missing ones above it; fine if it exists. Code::Precondition if a file is in the way.
[[nodiscard]] Status make_dirs(const std::string& path, mode_t mode = 0750);

// Makes renames and new names in a folder durable.
[[nodiscard]] Status sync_dir(const std::string& path);

// Removes a file or a folder with all it holds, without following links; fine if there is none.
[[nodiscard]] Status remove_tree(const std::string& path);

// An exclusive lock on path, created if missing, held until destroyed; the kernel drops it when the process dies, however it dies.
class FileLock {
 public:
  // Code::Conflict if another process (or another FileLock of this one) holds it: the message names its process id.
  [[nodiscard]] static Result<FileLock> acquire(const std::string& path);

 private:
  explicit FileLock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

// A fresh private folder (mode 0700) under $TMPDIR or /tmp, removed with its content when destroyed.
class TempDir {
 public:
  [[nodiscard]] static Result<TempDir> make(std::string_view prefix = "meshd");
  TempDir(TempDir&& other) noexcept;
  TempDir& operator=(TempDir&&) = delete;
  ~TempDir();

  [[nodiscard]] const std::string& path() const { return path_; }
  // PATH/name.
  [[nodiscard]] std::string file(std::string_view name) const;

 private:
  explicit TempDir(std::string path) : path_(std::move(path)) {}
  std::string path_;  // empty: moved from
};

}  // namespace mesh
