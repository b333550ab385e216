// A disk for the simulator: storage/disk.h in memory, with all that a real one may do at a power cut and besides.
//
// What is written is in the page cache; sync_data() puts it on the platter. When power is lost each unsynced sector of
// 512 bytes is on the platter or not, independently (drawn per write: none, all, or any subset), a file's size likewise, and of the unsynced
// changes of a folder (create, rename, remove) a prefix is. Everything drawn comes from the Rng: one seed, one outcome.
//
// One thread. Files must not outlive the disk. After power was lost every open file is dead: its calls return Io.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "storage/disk.h"

namespace mesh::sim {

class SimDisk final : public storage::Disk {
 public:
  explicit SimDisk(Rng rng, std::uint64_t capacity_bytes = UINT64_MAX);
  ~SimDisk() override;

  Result<std::unique_ptr<storage::File>> open(const std::string& path, storage::OpenMode mode) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& folder) override;
  Status make_dir(const std::string& folder) override;  // durable at once
  Status sync_dir(const std::string& folder) override;

  // Power is lost now. Until restore_power() every call fails with Io.
  void lose_power();
  // Power is lost at the n-th call from now on that changes something (0: the next one), before or after its effect.
  void lose_power_after(std::uint64_t changes) { changes_left_ = changes; }
  void restore_power();
  [[nodiscard]] bool powered() const { return powered_; }
  // The process died, the system lives: open files are dead, the page cache stays.
  void kill_process() { ++epoch_; }

  // Once: the next sync_data() fails with Io; of what it should have synced any part is lost, though reads still show
  // it (as Linux does).
  void fail_next_sync(bool fail = true) { fail_next_sync_ = fail; }
  // Space for all files together; writes beyond it are cut short and fail with Unavailable.
  void set_capacity(std::uint64_t bytes) { capacity_ = bytes; }
  [[nodiscard]] std::uint64_t used_bytes() const;
  // Flips one bit of a file, on the platter and in the cache. REQUIRES the file and bit_offset / 8 < its size.
  void flip_bit(const std::string& path, std::uint64_t bit_offset);
  // Offsets of the next write are moved by this many bytes (a misdirected write).
  void misdirect_next_write(std::uint64_t by) { misdirect_by_ = by; }

  // What a reader would see now; nullopt: no such file.
  [[nodiscard]] std::optional<Bytes> content(const std::string& path) const;
  // Replaces or makes a file, durably.
  void put(const std::string& path, Bytes content);
  [[nodiscard]] std::vector<std::string> paths() const;
  [[nodiscard]] std::uint64_t syncs_total() const { return syncs_total_; }
  [[nodiscard]] std::uint64_t changes_total() const { return changes_total_; }

 private:
  friend class SimFile;
  struct Inode;
  struct FolderChange;
  using Names = std::map<std::string, std::shared_ptr<Inode>>;

  // Counts a change; true: power is lost at it, `effect_first` says whether it still takes effect.
  struct Cut {
    bool now = false;
    bool effect_first = false;
  };
  Cut count_change();
  Status check_power() const;
  Status change_names(FolderChange change);
  void apply(Names& names, const FolderChange& change) const;
  Status write(Inode& inode, std::uint64_t offset, ByteView data);
  Status sync(Inode& inode);
  void settle_after_power_loss(Inode& inode);

  Rng rng_;
  std::uint64_t capacity_;
  Names names_;          // what readers see
  Names platter_names_;  // what survives
  std::vector<FolderChange> unsynced_changes_;
  std::optional<std::uint64_t> changes_left_;
  std::optional<std::uint64_t> misdirect_by_;
  std::uint64_t epoch_ = 0;
  std::uint64_t syncs_total_ = 0;
  std::uint64_t changes_total_ = 0;
  bool powered_ = true;
  bool fail_next_sync_ = false;
};

}  // namespace mesh::sim
