// ProcessRules: which local processes may act as which service, as the agent found it out (agent/callers/): immutable, in
// the snapshot, asked once for each connection that a local program makes. Pure; any thread.
//
// A process matches a rule when everything that the rule names holds: the user, and the cgroup or one below it. Of several
// rules that match, the narrowest (highest rank) decides; when those of two services are equally narrow, the process is
// ambiguous and may act as neither. A service is guarded when somebody has said who it is, even if no process matches now.
//
// A unit that restarts gets a new cgroup, one that is delegated makes more below its own, and both may call before the agent
// has looked again. So of a cgroup that was not there at the last look it is asked whether it stands below the rules' folders
// now (CgroupNow). When that cannot be told, nothing is guessed: the match is unsure and the caller may act as nobody.
//
// Cost: two hash look-ups and a walk over the rules that name that user or cgroup; a cgroup younger than the last look costs
// a walk through the rules' folders at its first connection, in the kernel's memory, some 10 us a folder (CgroupMemory).
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

// "uid 4001 in /sys/fs/cgroup/system.slice/web.service": for people.
[[nodiscard]] std::string describe(const ProcessRule& rule);

enum class Below { No, Yes, Unknown };  // Unknown: the folder holds more than may be walked through

inline constexpr std::size_t kCgroupWalkMax = 256;  // folders of one rule that a worker walks through: some 2.5 ms

class CgroupNow {
 public:
  virtual ~CgroupNow() = default;
  // Does this cgroup stand at the folder or below it? Reads the kernel's memory only, at most kCgroupWalkMax folders.
  [[nodiscard]] virtual Below is_below(std::uint64_t cgroup, const std::string& folder) const = 0;
};

// A worker's memory of what CgroupNow said: a cgroup never moves and its id is never given again, so an answer stays true.
// One loop. At most kCgroupMemoryMax answers; then it starts anew.
class CgroupMemory final : public CgroupNow {
 public:
  explicit CgroupMemory(const CgroupNow& host) : host_(host) {}
  [[nodiscard]] Below is_below(std::uint64_t cgroup, const std::string& folder) const override;

 private:
  const CgroupNow& host_;
  mutable std::unordered_map<std::uint64_t, std::unordered_map<std::string, Below>> known_;
  mutable std::size_t answers_ = 0;
};
inline constexpr std::size_t kCgroupMemoryMax = 4096;

class ProcessRules {
 public:
  ProcessRules() = default;
  // A rule without user and folder matches nothing. guarded: services besides those of the rules. seen: all cgroups of the
  // host at the last look; needed if a rule names a folder.
  explicit ProcessRules(std::vector<ProcessRule> rules, std::vector<std::string> guarded = {},
                        std::vector<std::uint64_t> seen = {});

  // Null service: no rule matches. rival: set when the process is ambiguous. unsure: it may be this service as well, which
  // cannot be told before the next look.
  struct Match {
    const std::string* service = nullptr;
    const std::string* rival = nullptr;
    const std::string* unsure = nullptr;
  };
  [[nodiscard]] Match match(const CallerFacts& facts, const CgroupNow& now) const;  // borrowed from this object
  // Why a caller that no rule matches is no service, where a rule comes near; empty: none does. For people.
  [[nodiscard]] std::string near_miss(const CallerFacts& facts, const CgroupNow& now) const;
  [[nodiscard]] bool guards(const std::string& service) const { return guarded_.contains(service); }
  [[nodiscard]] const std::vector<ProcessRule>& rules() const { return rules_; }

  // Do both give the same answers? What else was seen at the look counts only where young cgroups cannot be walked to.
  friend bool operator==(const ProcessRules& a, const ProcessRules& b) {
    return a.rules_ == b.rules_ && a.guarded_ == b.guarded_ && (!a.too_many_ || a.seen_ == b.seen_);
  }

 private:
  struct Best;
  void consider(std::uint32_t rule, const CallerFacts& facts, Best& best) const;
  void consider_young(const CallerFacts& facts, const CgroupNow& now, Best& best) const;
  [[nodiscard]] bool in_folder(const ProcessRule& rule, std::uint64_t cgroup, const CgroupNow& now) const;

  std::vector<ProcessRule> rules_;
  std::unordered_set<std::string> guarded_;
  std::unordered_map<std::uint64_t, std::vector<std::uint32_t>> by_cgroup_;  // rules that hold for it
  std::unordered_map<uid_t, std::vector<std::uint32_t>> by_uid_;             // rules that name the user alone
  std::vector<std::uint32_t> with_folder_;
  std::unordered_set<std::uint64_t> seen_;
  bool too_many_ = false;  // a rule's folder holds more than kCgroupWalkMax
};

}  // namespace mesh::proxy
