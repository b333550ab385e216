// CgroupTree: one look at the tree of control groups (version 2, or the unified part of a hybrid layout). The id of a cgroup
// is the inode of its folder, which the kernel never gives again; sock_diag names the same number.
//
// Units are those of the system manager: a folder that is named after the unit and has nothing but slices above it, outside
// of user.slice. What somebody makes inside of a delegated unit, or in a session of their own, is never taken for a unit of
// that name.
//
// Reading blocks (some 10 us a folder); the value belongs to any thread. At most kCgroupsMax folders, kCgroupDepthMax deep;
// what is beyond is not seen.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace mesh::agent {

inline constexpr std::size_t kCgroupsMax = 16'384;
inline constexpr std::size_t kCgroupDepthMax = 32;

struct Cgroup {
  std::uint64_t id = 0;
  std::string path;  // below the root, without a slash at either end; the root itself is not listed
  std::string unit;  // that it is part of; empty: none
};

// Does the cgroup stand at this folder (absolute) or below it, now? Reads at most folders_max folders; nothing when the answer
// lies beyond. Blocks for some 10 us a folder; any thread.
[[nodiscard]] std::optional<bool> cgroup_is_below(std::uint64_t id, const std::string& folder, std::size_t folders_max);

class CgroupTree {
 public:
  CgroupTree() = default;  // empty

  // The folder of version 2 at the usual mount point; nothing on a host without one.
  static std::optional<std::string> find_root(const std::string& mounted = "/sys/fs/cgroup");
  static CgroupTree read(const std::string& root);

  [[nodiscard]] const Cgroup* find(std::uint64_t id) const;           // null: not there (any more), or the root
  [[nodiscard]] const Cgroup* find_unit(std::string_view unit) const;  // its own folder; null: it does not run
  [[nodiscard]] const Cgroup* find_path(std::string_view path) const;
  // Ids of the folder and all below it, ascending.
  [[nodiscard]] std::vector<std::uint64_t> ids_of(const Cgroup& folder) const;
  [[nodiscard]] const std::string& root() const { return root_; }  // empty: a host without such a tree
  [[nodiscard]] std::vector<std::uint64_t> ids() const;             // of all, the root too
  [[nodiscard]] std::size_t size() const { return all_.size(); }

 private:
  struct Place {
    std::string path;
    std::string unit;
    bool holds_units = true;  // nothing but slices down to here
  };
  void read_folder(const std::string& folder, const Place& place, std::size_t depth);

  std::string root_;
  std::vector<Cgroup> all_;  // by path, parents first
  std::unordered_map<std::uint64_t, std::size_t> by_id_;
};

}  // namespace mesh::agent
