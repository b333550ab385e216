#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace mesh {
namespace {

Error failed(std::string_view verb, const std::string& path, int errno_value) {
  return io_error(fmt::format("{} {}", verb, path), errno_value);
}

Result<UniqueFd> open_fd(const std::string& path, int flags, mode_t mode = 0) {
  int fd = -1;
  do fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  while (fd < 0 && errno == EINTR);
  if (fd >= 0) return UniqueFd(fd);
  if (errno == ENOENT && (flags & O_CREAT) == 0) return error(Code::NotFound, "{} does not exist", path);
  return failed("open", path, errno);
}

// Bytes read, 0 at the end.
Result<std::size_t> read_some(int fd, char* to, std::size_t size, const std::string& path) {
  ssize_t n = -1;
  do n = ::read(fd, to, size);
  while (n < 0 && errno == EINTR);
  if (n < 0) return failed("read", path, errno);
  return static_cast<std::size_t>(n);
}

Error too_large(const std::string& path, ByteCount max) {
  return error(Code::Overloaded, "{} is larger than {} bytes", path, max.value());
}

Result<Bytes> read_to_end(int fd, const std::string& path, ByteCount max) {
  static constexpr std::size_t kChunkBytes = 64 * 1024;
  Bytes content;
  for (;;) {
    const std::size_t had = content.size();
    content.resize(had + kChunkBytes);
    MESH_TRY(n, read_some(fd, content.data() + had, kChunkBytes, path));
    content.resize(had + n);
    if (content.size() > max.value()) return too_large(path, max);
    if (n == 0) return content;
  }
}

std::string_view kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "a folder";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

Status write_all(int fd, ByteView content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return failed("write", path, errno);
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status write_synced(const std::string& path, ByteView content, mode_t mode) {
  MESH_TRY(fd, open_fd(path, O_WRONLY | O_CREAT | O_TRUNC, mode));
  // The mode given to open() is cut by the umask and ignored for a left-over file.
  if (::fchmod(fd.get(), mode) != 0) return failed("set the mode of", path, errno);
  MESH_TRY_STATUS(write_all(fd.get(), content, path));
  if (::fsync(fd.get()) != 0) return failed("sync", path, errno);
  return {};
}

// Process id written by the holder, for the message; "unknown" if it cannot be read.
std::string lock_holder(int fd) {
  std::array<char, 32> text{};
  const ssize_t n = ::pread(fd, text.data(), text.size() - 1, 0);
  std::string holder(text.data(), n > 0 ? static_cast<std::size_t>(n) : 0);
  while (holder.ends_with('\n')) holder.pop_back();
  return holder.empty() ? "unknown" : holder;
}

}  // namespace

Result<Bytes> read_file(const std::string& path, ByteCount max) {
  MESH_TRY(fd, open_fd(path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat found {};
  if (::fstat(fd.get(), &found) != 0) return failed("look at", path, errno);
  if (!S_ISREG(found.st_mode))
    return error(Code::Precondition, "{} is {}, where a file is expected", path, kind_of(found.st_mode));
  if (found.st_size > 0 && static_cast<std::uint64_t>(found.st_size) > max.value()) return too_large(path, max);
  return read_to_end(fd.get(), path, max);
}

Result<Bytes> read_input_file(const std::string& path, ByteCount max) {
  MESH_TRY(fd, open_fd(path, O_RDONLY));
  return read_to_end(fd.get(), path, max);
}

Status write_file_atomic(const std::string& path, ByteView content, WriteOptions options) {
  const std::string temporary = path + ".tmp";
  if (Status written = write_synced(temporary, content, options.mode); !written.ok()) {
    ::unlink(temporary.c_str());
    return written;
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const int cause = errno;
    ::unlink(temporary.c_str());
    return failed("rename to", path, cause);
  }
  return sync_dir(parent_of(path));
}

Status make_dirs(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) return {};
  const int cause = errno;
  if (cause == ENOENT) {
    const std::string parent = parent_of(path);
    if (parent == path) return failed("make folder", path, cause);
    MESH_TRY_STATUS(make_dirs(parent, mode));
    return make_dirs(path, mode);
  }
  struct stat found {};
  if (cause == EEXIST && ::stat(path.c_str(), &found) == 0) {
    if (S_ISDIR(found.st_mode)) return {};
    return error(Code::Precondition, "{} exists and is not a folder", path);
  }
  return failed("make folder", path, cause);
}

Status sync_dir(const std::string& path) {
  MESH_TRY(fd, open_fd(path, O_RDONLY | O_DIRECTORY));
  if (::fsync(fd.get()) != 0) return failed("sync", path, errno);
  return {};
}

Status remove_tree(const std::string& path) {
  std::error_code cause;
  std::filesystem::remove_all(path, cause);
  if (cause) return failed("remove", path, cause.value());
  return {};
}

Result<FileLock> FileLock::acquire(const std::string& path) {
  MESH_TRY(fd, open_fd(path, O_RDWR | O_CREAT, 0640));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return failed("lock", path, errno);
    return error(Code::Conflict, "{} is locked by process {}", path, lock_holder(fd.get()));
  }
  if (::ftruncate(fd.get(), 0) != 0) return failed("truncate", path, errno);
  MESH_TRY_STATUS(write_all(fd.get(), fmt::format("{}\n", ::getpid()), path));
  return FileLock(std::move(fd));
}

Result<TempDir> TempDir::make(std::string_view prefix) {
  const char* base = std::getenv("TMPDIR");
  std::string path = fmt::format("{}/{}-XXXXXX", base != nullptr && *base != '\0' ? base : "/tmp", prefix);
  if (::mkdtemp(path.data()) == nullptr) return failed("make temporary folder", path, errno);
  return TempDir(std::move(path));
}

TempDir::TempDir(TempDir&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }

TempDir::~TempDir() {
  if (path_.empty()) return;
  std::error_code ignored;  // nobody is left to tell; the folder is in the temporary tree
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::file(std::string_view name) const { return fmt::format("{}/{}", path_, name); }

}  // namespace mesh
