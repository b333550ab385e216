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
#include "base/message.h"
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
//   Command        payload is a command of the state machine
//   Noop           empty; the first entry of each leader
//   Configuration  payload is an encoded Configuration, in force as soon as it is in the log
#define MESH_ENTRY_KINDS(E) E(0, Command, "command") E(1, Noop, "noop") E(2, Configuration, "configuration")
MESH_ENUM(EntryKind, std::uint8_t, MESH_ENTRY_KINDS)

#define MESH_ENTRY_FIELDS(F)                                \
  F(1, Index, index, "Index", "position in the log")        \
  F(2, Term, term, "Term", "of the leader that created it") \
  F(3, EntryKind, kind, "Kind", "what the payload is")      \
  F(4, Bytes, payload, "Payload", "depends on kind", kBytes)
struct Entry {
  MESH_MESSAGE(Entry, MESH_ENTRY_FIELDS)
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

#define MESH_LOG_POSITION_FIELDS(F) F(1, Index, index, "Index", "") F(2, Term, term, "Term", "")
struct LogPosition {
  MESH_MESSAGE(LogPosition, MESH_LOG_POSITION_FIELDS)
};

// INVARIANT (made by the functions of raft/configuration.h): both lists sorted, without duplicates, disjoint.
// No voters: this server does not know a cluster yet and waits to be contacted.
#define MESH_CONFIGURATION_FIELDS(F)                                              \
  F(1, ListOf<ServerId>, voters, "Voters", "servers that vote, ascending")        \
  F(2, ListOf<ServerId>, learners, "Learners", "servers that only receive the log, ascending")
struct Configuration {
  MESH_MESSAGE(Configuration, MESH_CONFIGURATION_FIELDS)

  [[nodiscard]] bool is_voter(ServerId id) const;
  [[nodiscard]] bool is_learner(ServerId id) const;
  [[nodiscard]] bool contains(ServerId id) const { return is_voter(id) || is_learner(id); }
};

// The state that the entries of a log build upon: everything through `position` is in the tables or in a snapshot.
// The first entry of the log has index position.index + 1. Raft, storage and the snapshot messages share this type.
#define MESH_LOG_BASE_FIELDS(F)                                                               \
  F(1, LogPosition, position, "Position", "the last entry that the state contains")           \
  F(2, Configuration, configuration, "Configuration", "in force at position.index")           \
  F(3, Index, configuration_index, "ConfigurationIndex", "its entry; 0: from bootstrap")
struct LogBase {
  MESH_MESSAGE(LogBase, MESH_LOG_BASE_FIELDS)
};

}  // namespace mesh::raft
