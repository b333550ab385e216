// The vocabulary of raft/: positions in the log, terms, servers, entries and configurations. Plain values: any thread,
// no ownership. The words are those of Ongaro's thesis ("Consensus: Bridging Theory and Practice", 2014); where this
// code deviates, docs/decisions/raft-core.md says so.
//
//   index      position of an entry, counted from 1; Index(0) is "before the first entry"
//   term       logical time of an election; Term(0) is "before the first election"
//   voter      a server whose vote and acknowledgement count; learner: one that only receives the log
//   base       what stands before the first entry that the log still holds (see LogBase)
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/strong.h"

namespace mesh::raft {

struct IndexTag;
using Index = Strong<IndexTag>;
struct TermTag;
using Term = Strong<TermTag>;
// Chosen by whoever adds the server and never used again for another one; ServerId(0) is "none".
struct ServerIdTag;
using ServerId = Strong<ServerIdTag>;
inline constexpr ServerId kNoServer{};

// Numbers are on disk and on the wire. A server that meets one it does not know stops; it never skips an entry.
enum class EntryKind : std::uint8_t {
  Command = 1,        // payload is a command of the state machine
  Noop = 2,           // empty; the first entry of each leader
  Configuration = 3,  // payload is an encoded Configuration, in force as soon as it is in the log
};
[[nodiscard]] std::string_view entry_kind_name(EntryKind kind);

struct Entry {
  Index index;
  Term term;
  EntryKind kind = EntryKind::Command;
  Bytes payload;

  friend bool operator==(const Entry&, const Entry&) = default;
};

// What an entry counts against every bound given in bytes: its payload and a fixed charge for the rest.
inline constexpr std::uint64_t kEntryOverheadBytes = 32;
[[nodiscard]] inline std::uint64_t entry_bytes(const Entry& entry) {
  return entry.payload.size() + kEntryOverheadBytes;
}

// What must survive a crash besides the log. Written before any message that depends on it leaves.
struct HardState {
  Term term;
  ServerId vote;  // kNoServer: not voted in this term

  friend bool operator==(const HardState&, const HardState&) = default;
};

struct LogPosition {
  Index index;
  Term term;

  friend bool operator==(const LogPosition&, const LogPosition&) = default;
};

// INVARIANT (made by the functions of raft/configuration.h): both lists sorted, without duplicates, disjoint.
// No voters: this server does not know a cluster yet and waits to be contacted.
struct Configuration {
  std::vector<ServerId> voters;
  std::vector<ServerId> learners;

  [[nodiscard]] bool is_voter(ServerId id) const;
  [[nodiscard]] bool is_learner(ServerId id) const;
  [[nodiscard]] bool contains(ServerId id) const { return is_voter(id) || is_learner(id); }

  friend bool operator==(const Configuration&, const Configuration&) = default;
};

// The state that the entries of a log build upon: everything through `position` is in the tables or in a snapshot.
// The first entry of the log has index position.index + 1.
struct LogBase {
  LogPosition position;
  Configuration configuration;  // in force at position.index
  Index configuration_index;    // the entry that it came from, <= position.index; 0: from bootstrap

  friend bool operator==(const LogBase&, const LogBase&) = default;
};

}  // namespace mesh::raft
