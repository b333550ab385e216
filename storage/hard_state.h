// The control file of the Raft log: (term, vote) and what belongs to the log, as two alternating checksummed records of
// two copies each (docs/formats/raft-log.md, "The control file", which also says why).
//
// Thread: the storage thread. After an error of save() the file's newest record is unknown: the owner stops using it.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "storage/disk.h"
#include "storage/log_format.h"

namespace mesh::storage {

class HardStateFile {
 public:
  // Makes the file with this first record, durably and under a temporary name, then renames it: after a crash it is there whole or not at all.
  [[nodiscard]] static Result<std::unique_ptr<HardStateFile>> create(Disk& disk, const std::string& folder,
                                                                     ControlRecord record);
  // NotFound: no such file. Corrupt: no valid record left. Unsupported: newer format version.
  [[nodiscard]] static Result<std::unique_ptr<HardStateFile>> open(Disk& disk, const std::string& folder);

  [[nodiscard]] const ControlRecord& record() const { return record_; }
  // Durable when it returns success; record.number is set here. One write pair, one fdatasync.
  [[nodiscard]] Status save(ControlRecord record);

 private:
  HardStateFile(std::unique_ptr<File> file, ControlRecord record)
      : file_(std::move(file)), record_(std::move(record)) {}

  std::unique_ptr<File> file_;
  ControlRecord record_;
};

}  // namespace mesh::storage
