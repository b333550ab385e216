// One line of text for a message; for logs and transcripts.
#include <fmt/core.h>

#include <string>

#include "raft/message.h"

namespace mesh::raft {
namespace {

std::string at(LogPosition position) { return fmt::format("{}@{}", position.index.value(), position.term.value()); }

std::string repair_text(const Repair& repair) {
  return repair.nonce == 0 ? "" : fmt::format(" repair through {}", repair.through.value());
}
std::string damaged_text(std::uint64_t nonce) { return nonce == 0 ? "" : " damaged"; }

std::string entries_text(const std::vector<Entry>& entries) {
  if (entries.empty()) return "none";
  std::string out;
  for (const Entry& entry : entries) {
    if (out.size() > 200) return out + " ...";
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", at({entry.index, entry.term}), enum_text(entry.kind));
  }
  return out;
}

std::string text(const VoteRequest& m) {
  return fmt::format("{}vote? last {}{}", m.pre ? "pre-" : "", at(m.last), m.transfer ? " transfer" : "");
}
std::string text(const VoteResponse& m) {
  return fmt::format("{}vote {}", m.pre ? "pre-" : "", m.granted ? "granted" : "refused");
}
std::string text(const AppendRequest& m) {
  return fmt::format("append behind {}: {}; commit {}{}", at(m.previous), entries_text(m.entries), m.commit.value(),
                     repair_text(m.repair));
}
std::string text(const AppendResponse& m) {
  if (m.rejected)
    return fmt::format("append rejected at {}, hint {}{}", m.index.value(), at(m.hint), damaged_text(m.repair_nonce));
  return fmt::format("append ok through {}{}", m.index.value(), damaged_text(m.repair_nonce));
}
std::string text(const Heartbeat& m) {
  return fmt::format("heartbeat {}, commit {}{}", m.round, m.commit.value(), repair_text(m.repair));
}
std::string text(const HeartbeatResponse& m) {
  return fmt::format("heartbeat {} heard{}", m.round, damaged_text(m.repair_nonce));
}
std::string text(const SnapshotChunk& m) {
  return fmt::format("snapshot of {}, chunk {}, {} bytes{}", at(m.base.position), m.sequence, m.data.size(),
                     m.last ? ", last" : "");
}
std::string text(const SnapshotResponse& m) {
  switch (m.progress) {
    case SnapshotProgress::Restart: return "snapshot: begin again" + damaged_text(m.repair_nonce);
    case SnapshotProgress::Continue: return fmt::format("snapshot chunk {} stored{}", m.sequence, damaged_text(m.repair_nonce));
    case SnapshotProgress::Installed: return fmt::format("snapshot: holds {}{}", m.index.value(), damaged_text(m.repair_nonce));
  }
  return "snapshot: unknown";
}
std::string text(const TimeoutNow&) { return "timeout now"; }
std::string text(const ReadRequest&) { return "read index?"; }
std::string text(const ReadResponse& m) { return fmt::format("read index {}", m.index.value()); }

}  // namespace

std::string describe(const Message& message) {
  const std::string body = std::visit([](const auto& m) { return text(m); }, message.body);
  return fmt::format("{}->{} term {}: {}", message.from.value(), message.to.value(), message.term.value(), body);
}

}  // namespace mesh::raft
