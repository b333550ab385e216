// Configurations: their bytes, the changes that are allowed, and their history along the log. Pure; one thread.
//
// Single-server changes (thesis 4.1): a change adds or removes one voter at most, so any majority of the old
// configuration meets any majority of the new one. A configuration is in force as soon as its entry is in the log,
// committed or not, and stops being in force if that entry is cut off.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "raft/event.h"
#include "raft/types.h"

namespace mesh::raft {

// Bound on voters and learners together; more: Invalid.
inline constexpr std::size_t kServersMax = 64;

// Sorts and checks: Code::Invalid for duplicates, a server in both lists, ServerId 0, more than kServersMax.
[[nodiscard]] Result<Configuration> make_configuration(std::vector<ServerId> voters, std::vector<ServerId> learners);

// Payload of a Configuration entry; see docs/formats/raft-messages.md.
[[nodiscard]] Bytes encode_configuration(const Configuration& configuration);
[[nodiscard]] Result<Configuration> decode_configuration(ByteView bytes);

// The configuration after a change. Code::Invalid: the server is not (or already) what the change asks for, or the
// last voter would go.
[[nodiscard]] Result<Configuration> apply_change(const Configuration& from, const MembershipChange& change);

// Which configuration is in force at each index that still matters: the one at the base and those of the log.
class ConfigurationHistory {
 public:
  struct At {
    Index index;
    Configuration configuration;
  };

  explicit ConfigurationHistory(const LogBase& base) { reset(base); }

  void reset(const LogBase& base);
  // An entry of kind Configuration was appended. REQUIRES index greater than every one before.
  void append(Index index, Configuration configuration);
  // Entries from `from` on were dropped.
  void truncate(Index from);
  // Forgets what is not needed to answer at() for `index` and later.
  void compact(Index index);

  [[nodiscard]] const At& latest() const { return history_.back(); }
  // In force at `index`. REQUIRES index not before the last compact().
  [[nodiscard]] const At& at(Index index) const;

 private:
  std::vector<At> history_;  // never empty, by index
};

}  // namespace mesh::raft
