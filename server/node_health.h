// NodeHealth: what a leader makes of its own gossip: the check `serfHealth` of each node that joined. Nodes that were put
// into the catalog by hand (no member of that id) get none. Pure: no clock, no I/O; the driver is HealthDuty.
//
//   alive, suspect    passing
//   failed            critical, unless this server has just begun, or doubts itself
//   left              critical: its agent was stopped, and nothing of it is reached through the mesh
//   unknown           after absent_grace critical; until then as it is
//
// Doubt: when most of the pool seems to have failed, at least doubt_min members at once, it may be this server that is cut
// off. Then failures wait for `doubt`; recoveries never wait. Which members count: those whose nodes are in the catalog.
//
// Thread: one. Cost of decide: O(nodes log nodes).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "gossip/member.h"
#include "model/command.h"
#include "server/state.h"

namespace mesh::server {

struct NodeHealthOptions {
  Duration settle = seconds(5);         // of this server's gossip, before a failure counts
  Duration absent_grace = seconds(30);  // of leadership and of a node, before it counts that gossip does not know the node
  Duration doubt = seconds(30);
  std::size_t doubt_min = 3;
};

class NodeHealth {
 public:
  // self: this server's own node id, which is well as long as it can say so.
  NodeHealth(const NodeHealthOptions& options, std::string self) : options_(options), self_(std::move(self)) {}

  // Until then nothing is decided: a server without gossip knows nothing of anybody.
  void gossip_started(MonoTime now) { gossip_since_ = now; }
  void on_member(const gossip::MemberEvent& event);
  void lead();

  // What the catalog lacks or has wrong, at most kVerdictsMax. REQUIRES lead().
  [[nodiscard]] std::vector<model::NodeVerdict> decide(MonoTime now, const State& state);
  // When decide() may say something else by time alone.
  [[nodiscard]] MonoTime next_deadline() const { return deadline_; }
  [[nodiscard]] bool doubting() const { return doubt_since_ != kNever; }

 private:
  enum class Standing : std::uint8_t { Well, Failed, Left, Unknown };
  struct Node {
    const std::string* id;
    Standing standing;
    const model::Check* check;  // as it is; null: none
  };

  [[nodiscard]] std::vector<Node> look(const State& state) const;
  [[nodiscard]] Standing standing_of(const std::string& node_id) const;
  void note_absent(MonoTime now, const std::vector<Node>& nodes);
  void note_doubt(MonoTime now, const std::vector<Node>& nodes);
  [[nodiscard]] std::optional<model::CheckStatus> verdict(MonoTime now, const Node& node);
  [[nodiscard]] bool reached(MonoTime now, MonoTime when);

  NodeHealthOptions options_;
  std::string self_;
  std::optional<MonoTime> gossip_since_;
  std::map<std::string, gossip::MemberState, std::less<>> members_;  // by node id
  std::map<std::string, MonoTime, std::less<>> absent_since_;
  MonoTime doubt_since_ = kNever;
  MonoTime deadline_ = kNever;
};

}  // namespace mesh::server
