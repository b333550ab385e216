#include "agent/callers/cgroup_tree.h"

#include <sys/stat.h>

#include "base/file.h"
#include "tests/test.h"

namespace mesh::agent {

namespace {

// Folders like those of a host with cgroup version 2.
struct Tree {
  explicit Tree(const std::vector<std::string>& folders) : dir(TempDir::make().value()) {
    for (const std::string& folder : folders) REQUIRE(make_dirs(dir.file(folder)).ok());
  }
  [[nodiscard]] std::uint64_t id(const std::string& folder) const {
    struct stat status {};
    REQUIRE_EQ(::stat(dir.file(folder).c_str(), &status), 0);
    return status.st_ino;
  }
  TempDir dir;
};

}  // namespace

TEST_CASE("a cgroup is found by id, path and unit, with all that is below it") {
  const Tree made({"init.scope", "system.slice/web.service/worker/1", "system.slice/web.service.d", "system.slice/system-db.slice/db@1.service",
                   "apps/web"});
  const CgroupTree tree = CgroupTree::read(made.dir.path());
  EXPECT_EQ(tree.size(), 10u);
  const Cgroup* web = tree.find_unit("web.service");
  REQUIRE(web != nullptr);
  EXPECT_EQ(web->path, "system.slice/web.service");
  EXPECT_EQ(web->id, made.id("system.slice/web.service"));
  std::vector<std::uint64_t> ids{web->id, made.id("system.slice/web.service/worker"), made.id("system.slice/web.service/worker/1")};
  std::sort(ids.begin(), ids.end());
  EXPECT(tree.ids_of(*web) == ids);
  EXPECT_EQ(tree.find(made.id("system.slice/web.service/worker/1"))->unit, "web.service");
  EXPECT_EQ(tree.find_unit("db@1.service")->path, "system.slice/system-db.slice/db@1.service");
  EXPECT_EQ(tree.find(made.id("init.scope"))->unit, "init.scope");
  EXPECT_EQ(tree.find(made.id("system.slice"))->unit, "");
  EXPECT(tree.find_path("/apps/web") == tree.find_path("apps/web"));
  EXPECT_EQ(tree.find_path("apps/web")->id, made.id("apps/web"));
  EXPECT(tree.find_path("apps/we") == nullptr);
  EXPECT(tree.find_unit("gone.service") == nullptr);
  EXPECT(tree.find(1) == nullptr);
  EXPECT_EQ(tree.ids().size(), 11u);  // with the root
  EXPECT_EQ(tree.ids()[0], made.id("."));
}

TEST_CASE("a folder that a user or a delegated unit made is no unit of that name") {
  const Tree made({"user.slice/user-1000.slice/user@1000.service/app.slice/db.service", "system.slice/docker.service/system.slice/db.service",
                   "apps/x.slice/db.service", "user.slice/db.service"});
  const CgroupTree tree = CgroupTree::read(made.dir.path());
  EXPECT(tree.find_unit("db.service") == nullptr);
  EXPECT_EQ(tree.find(made.id("system.slice/docker.service/system.slice/db.service"))->unit, "docker.service");
  EXPECT_EQ(tree.find(made.id("user.slice/db.service"))->unit, "");
}

TEST_CASE("a young cgroup is looked for below a folder, through so many folders and no more") {
  const Tree made({"web.service/a/b", "web.service/c", "other.service"});
  const std::string web = made.dir.file("web.service");
  for (const char* folder : {"web.service", "web.service/a/b", "web.service/c"}) EXPECT(cgroup_is_below(made.id(folder), web, 10) == true);
  EXPECT(cgroup_is_below(made.id("other.service"), web, 10) == false);
  EXPECT(cgroup_is_below(made.id("other.service"), web, 4) == false);
  EXPECT_FALSE(cgroup_is_below(made.id("other.service"), web, 3).has_value());
  EXPECT(cgroup_is_below(made.id("web.service"), web, 0) == true);
  EXPECT(cgroup_is_below(1, made.dir.file("gone"), 10) == false);
}

TEST_CASE("the tree of version 2 is found where it is mounted alone or beside version 1") {
  const Tree made({"alone", "both/memory", "both/unified", "old/memory"});
  REQUIRE(write_file_atomic(made.dir.file("alone/cgroup.controllers"), "").ok());
  REQUIRE(write_file_atomic(made.dir.file("both/unified/cgroup.controllers"), "").ok());
  EXPECT_EQ(CgroupTree::find_root(made.dir.file("alone")), made.dir.file("alone"));
  EXPECT_EQ(CgroupTree::find_root(made.dir.file("both")), made.dir.file("both/unified"));
  EXPECT_FALSE(CgroupTree::find_root(made.dir.file("old")).has_value());
  EXPECT_EQ(CgroupTree::read(made.dir.file("none")).size(), 0u);
}

}  // namespace mesh::agent
