// A host as a test wants it to look.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "agent/callers/host_view.h"
#include "base/file.h"
#include "tests/test.h"

namespace mesh::agent {

struct FakeHost {
  std::map<std::string, uid_t> users;
  std::map<std::uint16_t, net::SocketFacts> listeners;  // by port
  TempDir cgroup_root = TempDir::make().value();
  int cgroup_reads = 0;

  // Makes the folder; its id.
  std::uint64_t cgroup(const std::string& path) {
    REQUIRE(make_dirs(cgroup_root.file(path)).ok());
    const CgroupTree tree = CgroupTree::read(cgroup_root.path());
    return tree.find_path(path)->id;
  }
};

class FakeHostView final : public HostView {
 public:
  explicit FakeHostView(std::shared_ptr<FakeHost> host) : host_(std::move(host)) {}

  Result<uid_t> uid_of(const std::string& user) override {
    if (const auto found = host_->users.find(user); found != host_->users.end()) return found->second;
    return error(Code::NotFound, "there is no user {} on this host", user);
  }
  Result<net::SocketFacts> listener_at(const net::Address& where) override {
    if (const auto found = host_->listeners.find(where.port); found != host_->listeners.end()) return found->second;
    return error(Code::NotFound, "nobody listens");
  }
  CgroupTree cgroups() override {
    ++host_->cgroup_reads;
    return CgroupTree::read(host_->cgroup_root.path());
  }

 private:
  std::shared_ptr<FakeHost> host_;
};

}  // namespace mesh::agent
