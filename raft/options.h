// Times and limits of the core. Every bound of raft/ is here; docs/limits.md lists them for users.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "base/strong.h"
#include "base/time.h"

namespace mesh::raft {

struct CoreOptions {
  // A follower that hears no leader for a random time in [election_timeout, 2 * election_timeout) asks for an election.
  // Within election_timeout of hearing one it refuses votes; a leader that hears no quorum for election_timeout steps
  // down; a transfer is given up after it.
  Duration election_timeout = milliseconds(350);
  Duration heartbeat_interval = milliseconds(50);
  // How much shorter than election_timeout the leader's lease is: covers clocks of different speed.
  Duration lease_margin = milliseconds(50);
  // A snapshot chunk, a load of entries or a forwarded read without an answer is repeated (or given up) after this.
  Duration retry_interval = milliseconds(1000);

  ByteCount entry_bytes_max{1024 * 1024};                     // payload of a proposal; larger: Invalid
  ByteCount append_bytes_max{1024 * 1024};                    // entries in one message; one entry always fits
  std::uint32_t inflight_messages_max = 64;                   // appends per follower without an answer
  ByteCount inflight_bytes_max{8 * 1024 * 1024};              // the same in bytes
  ByteCount uncommitted_bytes_max{16 * 1024 * 1024};          // at the leader; a proposal above it: Overloaded
  ByteCount apply_bytes_max{4 * 1024 * 1024};                 // handed out for apply and not yet reported Applied
  ByteCount backlog_bytes_max{32 * 1024 * 1024};              // follower: not durable or committed but not applied; above it appends are dropped
  ByteCount memory_bytes_max{16 * 1024 * 1024};               // applied entries kept in memory for followers
  std::uint32_t reads_waiting_max = 16 * 1024;                // reads without an answer; above it: Overloaded
  ByteCount compact_bytes{64 * 1024 * 1024};                  // log size that triggers compaction (plus up to a quarter, by server)
  ByteCount compact_tail_bytes{16 * 1024 * 1024};             // kept behind it for slow followers
  ByteCount log_bytes_max{256 * 1024 * 1024};                 // a snapshot under way holds back compaction up to here
  std::uint64_t promote_lag_max = 1024;                       // entries a learner may lack when promoted
  std::uint64_t transfer_lag_max = 4096;                      // entries the target of a transfer may lack

  // Code::Invalid with the name of the option that does not fit.
  [[nodiscard]] Status validate() const;
};

}  // namespace mesh::raft
