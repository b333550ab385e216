// storage/disk.h on the operating system's files. Stateless; any thread, but see the rule for one file in disk.h.
#pragma once

#include "storage/disk.h"

namespace mesh::storage {

class PosixDisk final : public Disk {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Status make_dir(const std::string& folder) override;
  Status sync_dir(const std::string& folder) override;
};

}  // namespace mesh::storage
