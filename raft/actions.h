// What a core wants done. The driver carries out all of it, in any order except where said; results come back as
// events. Values; owned by the driver.
//
// What must be durable before what is sent: a message appears in Actions::messages only when nothing that it depends
// on is still volatile. A vote or an acknowledgement that depends on a PersistBatch stays inside the core until the
// event Persisted brings the Durable that LogStore::write returned for that batch. So everything in `messages` may
// always leave at once, and sending too early cannot be expressed.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/strong.h"
#include "raft/event.h"
#include "raft/message.h"
#include "raft/storage.h"
#include "raft/types.h"

namespace mesh::raft {

enum class Role : std::uint8_t { Follower, PreCandidate, Candidate, Leader };
[[nodiscard]] std::string_view role_name(Role role);

struct RoleChange {
  Role role = Role::Follower;
  Term term;
  ServerId leader;  // kNoServer: unknown
  friend bool operator==(const RoleChange&, const RoleChange&) = default;
};

// The end of a request made by Propose, ChangeMembership or Transfer.
struct Outcome {
  RequestId id;
  Result<LogPosition> result;
};

// The end of a Read: serve it now, everything through `index` is applied here. Unavailable: no leader, or leadership
// was lost; ask again (the same RequestId may be used again). Overloaded: reads_waiting_max.
struct ReadOutcome {
  RequestId id;
  Result<Index> index;
};

// Read entries [first, end), about max_bytes, with LogStore::read; answer EntriesLoaded. At most one per follower.
struct LoadEntries {
  ServerId follower;
  Index first;
  Index end;
  ByteCount max_bytes;
  friend bool operator==(const LoadEntries&, const LoadEntries&) = default;
};

// Sending side. Open: take a TableSnapshot that contains at least `at_least` (answer SnapshotOpened). Read: the next
// rows of it, encoded, at most kSnapshotChunkBytesMax (answer SnapshotRead). Close: drop it, no answer.
struct OpenSnapshot {
  SnapshotId id;
  Index at_least;
  friend bool operator==(const OpenSnapshot&, const OpenSnapshot&) = default;
};
struct ReadSnapshot {
  SnapshotId id;
  friend bool operator==(const ReadSnapshot&, const ReadSnapshot&) = default;
};
struct CloseSnapshot {
  SnapshotId id;
  friend bool operator==(const CloseSnapshot&, const CloseSnapshot&) = default;
};

// Receiving side, in this order: Write with sequence 0 begins (an unfinished one with another id is dropped), each is
// answered by SnapshotWritten. Install: commit the TableReplacement with `base`, then load the state machine from the
// tables, then answer SnapshotInstalled; nothing is handed out for apply in between. Discard: drop it, no answer.
struct WriteSnapshot {
  SnapshotId id;
  std::uint64_t sequence = 0;
  Bytes data;
  friend bool operator==(const WriteSnapshot&, const WriteSnapshot&) = default;
};
struct InstallSnapshot {
  SnapshotId id;
  LogBase base;
  friend bool operator==(const InstallSnapshot&, const InstallSnapshot&) = default;
};
struct DiscardSnapshot {
  SnapshotId id;
  friend bool operator==(const DiscardSnapshot&, const DiscardSnapshot&) = default;
};

using SnapshotAction =
    std::variant<OpenSnapshot, ReadSnapshot, CloseSnapshot, WriteSnapshot, InstallSnapshot, DiscardSnapshot>;

struct Actions {
  std::vector<Message> messages;          // send now; losing one is allowed
  std::optional<PersistBatch> persist;    // LogStore::write, then Persisted; never a second one before that
  std::vector<Entry> apply;               // committed and durable here, in order; answer Applied (may be in parts)
  std::vector<Outcome> outcomes;
  std::vector<ReadOutcome> reads;         // serve after carrying out nothing else: their index is applied already
  std::vector<LoadEntries> loads;
  std::vector<SnapshotAction> snapshots;  // in order
  std::optional<RoleChange> role;         // the state after this step, if it differs from that before
};

}  // namespace mesh::raft
