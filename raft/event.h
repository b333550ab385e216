// What can happen to a core. One event per call of Core::step. Values; the core takes what they own.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "raft/message.h"
#include "raft/storage.h"
#include "raft/types.h"

namespace mesh::raft {

// Chosen by the driver, unique among its outstanding requests; comes back in Actions::outcomes or Actions::reads.
struct RequestIdTag;
using RequestId = Strong<RequestIdTag>;

// A snapshot transfer, on either side. Unique per core and process.
struct SnapshotIdTag;
using SnapshotId = Strong<SnapshotIdTag>;

// Time passed; nothing else happened. Useful at next_deadline(), harmless at any other time.
struct Tick {};

struct Receive {
  Message message;  // REQUIRES message.to is this server; `from` was authenticated by the transport
};

// Actions::persist was written.
struct Persisted {
  Durable proof;
};

// Everything through `through` of the entries handed out by Actions::apply was applied.
struct Applied {
  Index through;
};

// The tables are durable through here: the log may be cut behind it (see CoreOptions::compact_bytes).
struct StateFlushed {
  Index through;
};

struct Proposal {
  RequestId id;
  Bytes payload;
};

// Proposals that arrived together travel together. Each gets one outcome: the position it was given, or an error:
// Unavailable (not the leader, or handing over), Overloaded (uncommitted_bytes_max), Io (disk full), Invalid (too large).
// A position is no promise: the proposal happened only if an entry with this index *and* this term is applied.
struct Propose {
  std::vector<Proposal> proposals;
};

// A linearizable read, at the leader or at a follower that knows one. Comes back in Actions::reads.
struct Read {
  RequestId id;
};

struct MembershipChange {
  enum class Kind : std::uint8_t {
    AddLearner = 1,
    Promote,  // learner to voter; refused while it lags more than promote_lag_max
    Demote,   // voter to learner
    Remove,   // voter or learner
  };
  Kind kind = Kind::AddLearner;
  ServerId server;
};

// One change at a time. Outcome: the index of its entry, or Precondition / Unavailable / Invalid with the reason.
struct ChangeMembership {
  RequestId id;
  MembershipChange change;
};

// Hand leadership to `target` (kNoServer: the voter that lacks least). One outcome: the leader's last index once
// another server leads or this one stepped down in the course of it; Precondition when refused; Timeout when given up.
struct Transfer {
  RequestId id;
  ServerId target;
};

// Answer to Actions::loads. Empty entries: could not be read; the core tries again later.
struct EntriesLoaded {
  ServerId follower;
  std::vector<Entry> entries;
};

// Answers to the snapshot actions; see raft/actions.h.
struct SnapshotOpened {
  SnapshotId id;
  Index applied;  // what the opened TableSnapshot contains
};
struct SnapshotRead {
  SnapshotId id;
  Bytes data;  // at most kSnapshotChunkBytesMax
  bool last = false;
};
struct SnapshotWritten {
  SnapshotId id;
  std::uint64_t sequence = 0;
};
struct SnapshotInstalled {
  SnapshotId id;
};
struct SnapshotFailed {
  SnapshotId id;  // any of the above could not be done; the transfer is given up and begun anew later
};

// The disk has no room (LogStore::write said Unavailable; the driver keeps the batch and repeats it), or has again.
struct StorageFull {
  bool full = false;
};

using Event = std::variant<Tick, Receive, Persisted, Applied, StateFlushed, Propose, Read, ChangeMembership, Transfer,
                           EntriesLoaded, SnapshotOpened, SnapshotRead, SnapshotWritten, SnapshotInstalled,
                           SnapshotFailed, StorageFull>;

}  // namespace mesh::raft
