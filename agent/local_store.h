// The local state on disk: services and checks that were registered through the API, and what all checks last found, so
// that a restart of the agent loses no registration and takes no healthy service out of DNS.
// docs/formats/catalog-cache.md ("services/local").
//
// encode, parse and restore are pure (any thread). LocalStore belongs to the agent loop; bytes are made and written on
// the disk thread from a copy of the state, one write at a time: changes that come meanwhile share the next one.
//
// Limits: kLocalStoreBytesMax; a larger state is not kept (warning), a larger file ignored.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/local_state.h"
#include "base/bytes.h"
#include "base/function.h"
#include "base/message.h"
#include "base/result.h"
#include "base/time.h"
#include "net/timer.h"

namespace mesh::net {
class BlockingWorker;
class Loop;
}  // namespace mesh::net

namespace mesh::agent {

inline constexpr std::size_t kLocalStoreBytesMax = std::size_t{256} << 20;
inline constexpr Duration kLocalStoreStatusDelay = seconds(5);  // until a changed status is written
inline constexpr Duration kStoredStatusAgeMax = minutes(5);     // of a check that the agent runs; TTL checks: their TTL

#define MESH_LOCAL_RECORD_FIELDS(F)                                                                      \
  F(1, std::optional<model::ServiceInstance>, service, "Service", "registered through the API")          \
  F(2, std::optional<model::CheckDefinition>, check, "Check", "")                                        \
  F(3, bool, from_api, "FromApi", "of a check: to be restored; else only its status counts")             \
  F(4, model::CheckStatus, status, "Status", "of the check")                                             \
  F(5, std::string, output, "Output", "of the check")
struct LocalRecord {
  MESH_MESSAGE(LocalRecord, MESH_LOCAL_RECORD_FIELDS)
};

struct StoredLocal {
  WallTime saved_at{};
  std::vector<LocalRecord> records;
};

[[nodiscard]] Bytes encode_local_store(const LocalState& local, WallTime saved_at);
// Errors: Corrupt, Unsupported (another layout), Precondition (of another node).
[[nodiscard]] Result<StoredLocal> parse_local_store(ByteView file, const model::NodeId& node_id);

// Adds to what the configuration has put into `local`, which wins where ids are equal. What cannot be added any more is
// left out and returned, each as "service web: why".
[[nodiscard]] std::vector<std::string> restore_local(const StoredLocal& stored, WallTime now, LocalState& local);

class LocalStore {
 public:
  struct Counts {
    std::uint64_t writes_total = 0;
    std::uint64_t failures_total = 0;
  };

  // on_saved: on the loop, after each write, also one that failed (then logged): saved_revision() has moved.
  LocalStore(net::Loop& loop, net::BlockingWorker& disk, const std::string& data_dir, UniqueFunction<void()> on_saved);
  // Does not write: call flush() before.
  ~LocalStore() = default;
  LocalStore(const LocalStore&) = delete;
  LocalStore& operator=(const LocalStore&) = delete;

  // What was kept; none if there is no file or a useless one (then logged). Blocks; for the start.
  [[nodiscard]] std::optional<StoredLocal> load(const model::NodeId& node_id);

  // A registration changed: written at once, or with the next write if one is under way.
  void changed(LocalState local);
  // The status of a check changed: written within kLocalStoreStatusDelay.
  void status_changed(LocalState local);
  // Hands the newest state to the disk thread. For the end: the caller waits for the disk thread.
  void flush(LocalState local);

  // Local revisions up to this one are on disk (or cannot be written, which is logged).
  [[nodiscard]] std::uint64_t saved_revision() const { return saved_revision_; }
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  void write();
  void written(std::uint64_t revision, Status status);

  net::Loop& loop_;
  net::BlockingWorker& disk_;
  std::string path_;
  UniqueFunction<void()> on_saved_;
  std::optional<LocalState> waiting_;  // newer than what is on disk or on its way there
  bool urgent_ = false;                // waiting_ holds a registration
  bool writing_ = false;
  bool failing_ = false;
  std::uint64_t saved_revision_ = 0;
  Counts counts_;
  net::Timer timer_;
};

}  // namespace mesh::agent
