// ProcessRules: which local processes may act as which service, as the agent found it out (agent/callers/): immutable, in
// the snapshot, asked once for each connection that a local program makes. Pure; any thread.
//
// A process matches a rule when everything that the rule names holds: the user, and the cgroup or one below it. Of several
// rules that match, the narrowest (highest rank) decides; when those of two services are equally narrow, the process is
// ambiguous and may act as neither. A service is guarded when somebody has said who it is, even if no process matches now.
//
// A unit that restarts gets a new cgroup, and may call before the agent has looked again. So a cgroup that was not there at
// the last look is compared with what stands at the rules' folders now (CgroupNow).
//
// Cost: two hash look-ups and a walk over the rules that name that user or cgroup; for a cgroup younger than the last look
// also one stat(2) a folder, in the kernel's memory, some 2 us.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace mesh::proxy {

// What the kernel says of the process at the other end. Absent: it could not tell.
struct CallerFacts {
  std::optional<uid_t> uid{};
  std::optional<std::uint64_t> cgroup{};  // id of the cgroup that made the socket
  std::optional<pid_t> pid{};             // over unix sockets only
  bool foreign = false;  // the kernel knows no process of this host that holds the other end: the connection is refused
};

struct ProcessRule {
  std::string service;  // folded
  std::optional<uid_t> uid{};
  std::string folder{};                  // of the cgroup, absolute; empty: any cgroup will do
  std::vector<std::uint64_t> cgroups{};  // the folder and those below it, at the last look
  std::uint32_t rank = 0;                // higher: narrower

  friend bool operator==(const ProcessRule&, const ProcessRule&) = default;
};

class CgroupNow {
 public:
  virtual ~CgroupNow() = default;
  // Id of the cgroup at this folder; 0: there is none. Does not block.
  [[nodiscard]] virtual std::uint64_t cgroup_at(const std::string& folder) const = 0;
};

class ProcessRules {
 public:
  ProcessRules() = default;
  // A rule without user and folder matches nothing. guarded: services besides those of the rules. seen: all cgroups of the
  // host at the last look; needed if a rule names a folder.
  explicit ProcessRules(std::vector<ProcessRule> rules, std::vector<std::string> guarded = {},
                        std::vector<std::uint64_t> seen = {});

  // Null service: no rule matches. rival: set when the process is ambiguous.
  struct Match {
    const std::string* service = nullptr;
    const std::string* rival = nullptr;
  };
  [[nodiscard]] Match match(const CallerFacts& facts, const CgroupNow& now) const;  // borrowed from this object
  [[nodiscard]] bool guards(const std::string& service) const { return guarded_.contains(service); }
  [[nodiscard]] const std::vector<ProcessRule>& rules() const { return rules_; }

  friend bool operator==(const ProcessRules& a, const ProcessRules& b) {
    return a.rules_ == b.rules_ && a.guarded_ == b.guarded_ && a.seen_ == b.seen_;
  }

 private:
  struct Best;
  void consider(std::uint32_t rule, const CallerFacts& facts, Best& best) const;

  std::vector<ProcessRule> rules_;
  std::unordered_set<std::string> guarded_;
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> by_cgroup_;  // rules that hold for it
  std::unordered_map<uid_t, std::vector<std::uint32_t>> by_uid_;             // rules that name the user alone
  std::vector<std::uint32_t> with_folder_;
  std::unordered_set<std::uint64_t> seen_;
};

}  // namespace mesh::proxy
