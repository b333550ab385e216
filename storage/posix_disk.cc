#include "storage/posix_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>

namespace mesh::storage {
namespace {

Error disk_error(std::string_view what, const std::string& path, int errno_value) {
  const Code code = errno_value == ENOENT                                ? Code::NotFound
                    : errno_value == EEXIST                              ? Code::Conflict
                    : errno_value == ENOSPC || errno_value == EDQUOT     ? Code::Unavailable
                                                                         : Code::Io;
  return error(code, "{} {}: {}", what, path, std::generic_category().message(errno_value));
}

class PosixFile final : public File {
 public:
  PosixFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;
  ~PosixFile() override { ::close(fd_); }

  Result<Bytes> read_at(std::uint64_t offset, std::size_t length) override {
    Bytes out(length, '\0');
    std::size_t done = 0;
    while (done < length) {
      const ssize_t n = ::pread(fd_, out.data() + done, length - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return disk_error("cannot read", path_, errno);
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    out.resize(done);
    return out;
  }

  Status write_at(std::uint64_t offset, ByteView data) override {
    while (!data.empty()) {
      const ssize_t n = ::pwrite(fd_, data.data(), data.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return disk_error("cannot write", path_, errno);
      offset += static_cast<std::uint64_t>(n);
      data.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
  }

  Status sync_data() override {
    // Whatever errno says, ENOSPC included: what was not synced is lost, so this is never "try again later".
    if (::fdatasync(fd_) != 0) return error(Code::Io, "cannot sync {}: {}", path_, std::generic_category().message(errno));
    return {};
  }

  Result<std::uint64_t> size() override {
    struct stat st {};
    if (::fstat(fd_, &st) != 0) return disk_error("cannot stat", path_, errno);
    return static_cast<std::uint64_t>(st.st_size);
  }

 private:
  const std::string path_;
  const int fd_;
};

int open_flags(OpenMode mode) {
  switch (mode) {
    case OpenMode::Read: return O_RDONLY;
    case OpenMode::ReadWrite: return O_RDWR;
    case OpenMode::CreateNew: return O_RDWR | O_CREAT | O_EXCL;
  }
  CHECK(false, "open mode");
}

}  // namespace

Result<std::unique_ptr<File>> PosixDisk::open(const std::string& path, OpenMode mode) {
  const int fd = ::open(path.c_str(), open_flags(mode) | O_CLOEXEC, 0600);
  if (fd < 0) return disk_error("cannot open", path, errno);
  return std::unique_ptr<File>(std::make_unique<PosixFile>(path, fd));
}

Status PosixDisk::rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return disk_error("cannot rename", from, errno);
  return {};
}

Status PosixDisk::remove(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return disk_error("cannot remove", path, errno);
  return {};
}

Result<std::vector<std::string>> PosixDisk::list(const std::string& folder) {
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(folder.c_str()), &::closedir);
  if (!dir) return disk_error("cannot list", folder, errno);
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(dir.get())) {
    struct stat st {};
    if (::fstatat(::dirfd(dir.get()), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
      names.emplace_back(entry->d_name);
    errno = 0;
  }
  if (errno != 0) return disk_error("cannot list", folder, errno);
  std::sort(names.begin(), names.end());
  return names;
}

Status PosixDisk::make_dir(const std::string& folder) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) return disk_error("cannot make folder", folder, errno);
  return {};
}

Status PosixDisk::sync_dir(const std::string& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return disk_error("cannot open folder", folder, errno);
  const int outcome = ::fsync(fd);
  const int errno_value = errno;
  ::close(fd);
  if (outcome != 0) return disk_error("cannot sync folder", folder, errno_value);
  return {};
}

}  // namespace mesh::storage
