#include "tests/sim/sim_disk.h"

#include <algorithm>

#include "base/check.h"

namespace mesh::sim {
namespace {

constexpr std::uint64_t kSectorBytes = 512;

struct PendingWrite {
  std::uint64_t offset;
  Bytes data;
};

void overlay(Bytes& content, std::uint64_t offset, ByteView data) {
  const auto at = static_cast<std::size_t>(offset);
  if (content.size() < at + data.size()) content.resize(at + data.size(), '\0');
  content.replace(at, data.size(), data);
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

enum class Survival { None, All, Some };

Survival draw_survival(Rng& rng) {
  const std::uint64_t draw = rng.below(4);
  return draw == 0 ? Survival::None : draw == 1 ? Survival::All : Survival::Some;
}

}  // namespace

struct SimDisk::Inode {
  Bytes cache;
  Bytes platter;
  std::vector<PendingWrite> pending;
};

struct SimDisk::FolderChange {
  enum class Kind { Create, Rename, Remove } kind;
  std::string from;
  std::string to;  // Rename
  std::shared_ptr<Inode> inode;  // Create
};

class SimFile final : public storage::File {
 public:
  SimFile(SimDisk& disk, std::shared_ptr<SimDisk::Inode> inode, std::string path)
      : disk_(disk), inode_(std::move(inode)), path_(std::move(path)), epoch_(disk.epoch_) {}

  Result<Bytes> read_at(std::uint64_t offset, std::size_t length) override {
    MESH_TRY_STATUS(check_alive());
    if (offset >= inode_->cache.size()) return Bytes();
    return inode_->cache.substr(static_cast<std::size_t>(offset), length);
  }
  Status write_at(std::uint64_t offset, ByteView data) override {
    MESH_TRY_STATUS(check_alive());
    return disk_.write(*inode_, offset, data).context("{}", path_);
  }
  Status sync_data() override {
    MESH_TRY_STATUS(check_alive());
    return disk_.sync(*inode_).context("{}", path_);
  }
  Result<std::uint64_t> size() override {
    MESH_TRY_STATUS(check_alive());
    return std::uint64_t{inode_->cache.size()};
  }

 private:
  Status check_alive() const {
    MESH_TRY_STATUS(disk_.check_power());
    if (epoch_ != disk_.epoch_) return error(Code::Io, "{}: its process is gone", path_);
    return {};
  }

  SimDisk& disk_;
  const std::shared_ptr<SimDisk::Inode> inode_;
  const std::string path_;
  const std::uint64_t epoch_;
};

SimDisk::SimDisk(Rng rng, std::uint64_t capacity_bytes) : rng_(rng), capacity_(capacity_bytes) {}
SimDisk::~SimDisk() = default;

Status SimDisk::check_power() const {
  if (!powered_) return error(Code::Io, "no power");
  return {};
}

SimDisk::Cut SimDisk::count_change() {
  ++changes_total_;
  if (!changes_left_) return {};
  if (*changes_left_ > 0) {
    --*changes_left_;
    return {};
  }
  changes_left_.reset();
  return {true, rng_.below(2) == 0};
}

Result<std::unique_ptr<storage::File>> SimDisk::open(const std::string& path, storage::OpenMode mode) {
  MESH_TRY_STATUS(check_power());
  auto found = names_.find(path);
  if (mode == storage::OpenMode::CreateNew) {
    if (found != names_.end()) return error(Code::Conflict, "{} exists", path);
    MESH_TRY_STATUS(change_names({FolderChange::Kind::Create, path, "", std::make_shared<Inode>()}));
    found = names_.find(path);
  }
  if (found == names_.end()) return error(Code::NotFound, "no file {}", path);
  return std::unique_ptr<storage::File>(std::make_unique<SimFile>(*this, found->second, path));
}

Status SimDisk::rename(const std::string& from, const std::string& to) {
  if (powered_ && !names_.contains(from)) return error(Code::NotFound, "no file {}", from);
  return change_names({FolderChange::Kind::Rename, from, to, nullptr});
}

Status SimDisk::remove(const std::string& path) {
  if (powered_ && !names_.contains(path)) return error(Code::NotFound, "no file {}", path);
  return change_names({FolderChange::Kind::Remove, path, "", nullptr});
}

Status SimDisk::change_names(FolderChange change) {
  MESH_TRY_STATUS(check_power());
  const Cut cut = count_change();
  if (!cut.now || cut.effect_first) {
    apply(names_, change);
    unsynced_changes_.push_back(std::move(change));
  }
  if (cut.now) lose_power();
  return check_power();
}

void SimDisk::apply(Names& names, const FolderChange& change) const {
  switch (change.kind) {
    case FolderChange::Kind::Create: names[change.from] = change.inode; return;
    case FolderChange::Kind::Rename:
      names[change.to] = names.at(change.from);
      names.erase(change.from);
      return;
    case FolderChange::Kind::Remove: names.erase(change.from); return;
  }
}

Result<std::vector<std::string>> SimDisk::list(const std::string& folder) {
  MESH_TRY_STATUS(check_power());
  std::vector<std::string> out;
  for (const auto& [path, inode] : names_)
    if (folder_of(path) == folder) out.push_back(path.substr(folder.size() + 1));
  return out;
}

Status SimDisk::make_dir(const std::string&) { return check_power(); }

// Syncs all folders: a journal commits in order, whichever folder asked.
Status SimDisk::sync_dir(const std::string&) {
  MESH_TRY_STATUS(check_power());
  const Cut cut = count_change();
  if (!cut.now || cut.effect_first) {
    for (const FolderChange& change : unsynced_changes_) apply(platter_names_, change);
    unsynced_changes_.clear();
  }
  if (cut.now) lose_power();
  return check_power();
}

Status SimDisk::write(Inode& inode, std::uint64_t offset, ByteView data) {
  offset += misdirect_by_.value_or(0);
  misdirect_by_.reset();
  const std::uint64_t end = offset + data.size();
  const std::uint64_t growth = end > inode.cache.size() ? end - inode.cache.size() : 0;
  const std::uint64_t space = capacity_ - std::min(capacity_, used_bytes());
  const bool full = growth > space;
  if (full) data = data.substr(0, data.size() - static_cast<std::size_t>(std::min<std::uint64_t>(data.size(), growth - space)));
  const Cut cut = count_change();
  if ((!cut.now || cut.effect_first) && !data.empty()) {
    overlay(inode.cache, offset, data);
    inode.pending.push_back({offset, Bytes(data)});
  }
  if (cut.now) lose_power();
  MESH_TRY_STATUS(check_power());
  if (full) return error(Code::Unavailable, "the disk is full");
  return {};
}

Status SimDisk::sync(Inode& inode) {
  const Cut cut = count_change();
  ++syncs_total_;
  if (std::exchange(fail_next_sync_, false)) {
    settle_after_power_loss(inode);
    if (cut.now) lose_power();
    return error(Code::Io, "sync failed");
  }
  if (!cut.now || cut.effect_first) {
    for (const PendingWrite& write : inode.pending) overlay(inode.platter, write.offset, write.data);
    inode.pending.clear();
  }
  if (cut.now) lose_power();
  return check_power();
}

// Of the unsynced writes some sectors reach the platter; the cache is left as it is.
void SimDisk::settle_after_power_loss(Inode& inode) {
  for (const PendingWrite& write : inode.pending) {
    const Survival survival = draw_survival(rng_);
    if (survival == Survival::None) continue;
    const std::uint64_t end = write.offset + write.data.size();
    for (std::uint64_t at = write.offset; at < end;) {
      const std::uint64_t sector_end = std::min(end, (at / kSectorBytes + 1) * kSectorBytes);
      if (survival == Survival::All || rng_.below(2) == 0)
        overlay(inode.platter, at,
                ByteView(write.data).substr(static_cast<std::size_t>(at - write.offset), static_cast<std::size_t>(sector_end - at)));
      at = sector_end;
    }
  }
  inode.pending.clear();
}

void SimDisk::lose_power() {
  if (!powered_) return;
  powered_ = false;
  ++epoch_;
  changes_left_.reset();
  const std::uint64_t kept = rng_.below(unsynced_changes_.size() + 1);
  for (std::uint64_t i = 0; i < kept; ++i) apply(platter_names_, unsynced_changes_[i]);
  unsynced_changes_.clear();
  names_ = platter_names_;
  for (auto& [path, inode] : names_) {
    settle_after_power_loss(*inode);
    inode->cache = inode->platter;
  }
}

void SimDisk::restore_power() {
  powered_ = true;
  misdirect_by_.reset();
  fail_next_sync_ = false;
}

std::uint64_t SimDisk::used_bytes() const {
  std::uint64_t total = 0;
  for (const auto& [path, inode] : names_) total += inode->cache.size();
  return total;
}

void SimDisk::flip_bit(const std::string& path, std::uint64_t bit_offset) {
  Inode& inode = *names_.at(path);
  const auto byte = static_cast<std::size_t>(bit_offset / 8);
  const char mask = static_cast<char>(1u << bit_offset % 8);
  CHECK(byte < inode.cache.size(), "flip behind the end of {}", path);
  inode.cache[byte] = static_cast<char>(inode.cache[byte] ^ mask);
  if (byte < inode.platter.size()) inode.platter[byte] = static_cast<char>(inode.platter[byte] ^ mask);
  for (PendingWrite& write : inode.pending)
    if (write.offset <= byte && byte < write.offset + write.data.size())
      write.data[byte - static_cast<std::size_t>(write.offset)] = inode.cache[byte];
}

std::optional<Bytes> SimDisk::content(const std::string& path) const {
  const auto found = names_.find(path);
  if (found == names_.end()) return std::nullopt;
  return found->second->cache;
}

void SimDisk::put(const std::string& path, Bytes content) {
  auto inode = std::make_shared<Inode>();
  inode->cache = inode->platter = std::move(content);
  names_[path] = platter_names_[path] = inode;
  std::erase_if(unsynced_changes_, [&](const FolderChange& c) { return c.from == path || c.to == path; });
}

std::vector<std::string> SimDisk::paths() const {
  std::vector<std::string> out;
  for (const auto& [path, inode] : names_) out.push_back(path);
  return out;
}

}  // namespace mesh::sim
