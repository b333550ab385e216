#include "agent/callers/cgroup_tree.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

namespace mesh::agent {

namespace {

bool is_unit(std::string_view name) { return name.ends_with(".service") || name.ends_with(".scope"); }

// A control group that ended has no folder, or one that cannot be read any more.
bool is_gone(int cause) { return cause == ENOENT || cause == ENOTDIR || cause == ENODEV; }

// Calls visit(name, id) for each folder in this one; ends early when it returns false. A folder that is gone has none.
// False: it could not be looked into.
template <class Visit>
bool each_folder_in(const std::string& folder, Visit visit) {
  const std::unique_ptr<DIR, int (*)(DIR*)> opened(opendir(folder.c_str()), closedir);
  if (opened == nullptr) return is_gone(errno);
  while (const dirent* entry = readdir(opened.get())) {
    const std::string name = entry->d_name;
    if (entry->d_type != DT_DIR || name == "." || name == "..") continue;
    if (!visit(name, std::uint64_t{entry->d_ino})) break;
  }
  return true;
}

}  // namespace

std::optional<bool> cgroup_is_below(std::uint64_t id, const std::string& folder, std::size_t folders_max) {
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) return is_gone(errno) ? std::optional(false) : std::nullopt;
  if (status.st_ino == id) return true;
  std::vector<std::string> open{folder};
  bool found = false;
  for (std::size_t i = 0; i < open.size() && !found; ++i) {
    if (i == folders_max) return std::nullopt;
    const std::string here = open[i];
    const bool looked = each_folder_in(here, [&](const std::string& name, std::uint64_t one) {
      found = one == id;
      if (open.size() <= folders_max) open.push_back(here + "/" + name);
      return !found;
    });
    if (!looked) return std::nullopt;
  }
  return found;
}

std::optional<std::string> CgroupTree::find_root(const std::string& mounted) {
  for (const std::string& folder : {mounted, mounted + "/unified"})
    if (access((folder + "/cgroup.controllers").c_str(), F_OK) == 0) return folder;
  return std::nullopt;
}

CgroupTree CgroupTree::read(const std::string& root) {
  CgroupTree tree;
  tree.root_ = root;
  tree.read_folder(root, {}, 0);
  std::sort(tree.all_.begin(), tree.all_.end(), [](const Cgroup& a, const Cgroup& b) { return a.path < b.path; });
  for (std::size_t i = 0; i < tree.all_.size(); ++i) tree.by_id_.emplace(tree.all_[i].id, i);
  return tree;
}

void CgroupTree::read_folder(const std::string& folder, const Place& place, std::size_t depth) {
  if (depth == kCgroupDepthMax) return;
  each_folder_in(folder, [&](const std::string& name, std::uint64_t id) {
    if (all_.size() == kCgroupsMax) return false;
    const std::string unit = place.holds_units && is_unit(name) ? name : place.unit;
    const Place below{place.path.empty() ? name : place.path + "/" + name, unit,
                      place.holds_units && name.ends_with(".slice") && name != "user.slice"};
    all_.push_back({id, below.path, unit});
    read_folder(folder + "/" + name, below, depth + 1);
    return true;
  });
}

const Cgroup* CgroupTree::find(std::uint64_t id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &all_[found->second];
}

const Cgroup* CgroupTree::find_unit(std::string_view unit) const {
  const auto is_it = [&](const Cgroup& one) {
    const auto slash = one.path.rfind('/');
    const std::string_view name = slash == std::string::npos ? std::string_view(one.path) : std::string_view(one.path).substr(slash + 1);
    return one.unit == unit && name == unit;
  };
  const auto found = std::find_if(all_.begin(), all_.end(), is_it);
  return found == all_.end() ? nullptr : &*found;
}

const Cgroup* CgroupTree::find_path(std::string_view path) const {
  if (path.starts_with('/')) path.remove_prefix(1);
  const auto found = std::lower_bound(all_.begin(), all_.end(), path, [](const Cgroup& a, std::string_view b) { return a.path < b; });
  return found == all_.end() || found->path != path ? nullptr : &*found;
}

std::vector<std::uint64_t> CgroupTree::ids() const {
  std::vector<std::uint64_t> ids;
  ids.reserve(all_.size() + 1);
  struct stat status {};
  if (::stat(root_.c_str(), &status) == 0) ids.push_back(status.st_ino);
  for (const Cgroup& one : all_) ids.push_back(one.id);
  return ids;
}

std::vector<std::uint64_t> CgroupTree::ids_of(const Cgroup& folder) const {
  std::vector<std::uint64_t> ids{folder.id};
  const std::string prefix = folder.path + "/";
  for (auto one = std::lower_bound(all_.begin(), all_.end(), prefix, [](const Cgroup& a, const std::string& b) { return a.path < b; });
       one != all_.end() && one->path.starts_with(prefix); ++one)
    ids.push_back(one->id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace mesh::agent
