// Runs a scenario of raft given as text: commands in, everything that the cores do out. A transcript is a file of both;
// the test runs its commands and compares. With MESH_REGENERATE=1 in the environment the file is written anew instead.
//
// Lines: `# text` is kept; `> command` is run; everything else is output. Servers have clocks of their own, messages
// wait until they are delivered, the disk answers at once unless it is held. Commands:
//
//   cluster IDS [learners IDS] [OPTION=N ...]   servers with this first configuration (all started)
//   fresh N                    a server with an empty disk        crash N | restart N
//   timeout N                  its next deadline comes             wait MS [IDS]   time passes there, nobody ticks
//   elapse MS                  time passes, deadlines fire, all messages arrive
//   deliver [A->B]             messages arrive until none is left, or only those waiting from A to B
//   drop [A->B]                those waiting are lost              cut A B | cut A->B | heal
//   propose N TEXT...          read N      transfer N M            change N add|promote|demote|remove M
//   disk N hold|free|full|room                                     apply N hold|free
//   flush N                    its tables are durable             damage N I   its log loses I and all behind it
//   show IDS                   one line of state each              lease N
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "raft/core.h"
#include "tests/unit/raft/memory_store.h"

namespace mesh::raft {

class Script {
 public:
  // The whole transcript with its output renewed.
  static std::string renew(const std::string& transcript);

 private:
  struct Server {
    std::unique_ptr<Core> core;  // null: down
    MemoryLog log;
    MemoryTables durable;
    MemoryTables tables;
    MonoTime now{};
    std::deque<Event> inbox;
    bool disk_held = false;
    bool apply_held = false;
    std::optional<PersistBatch> unwritten;
    std::vector<Entry> unapplied;
    std::map<std::uint64_t, std::size_t> open_snapshots;  // id -> rows sent
    std::map<std::uint64_t, std::vector<std::string>> open_rows;
    std::vector<std::string> incoming;
    std::uint64_t starts = 0;
  };

  void command(const std::vector<std::string>& words);
  void cluster(const std::vector<std::string>& words);
  void request(const std::vector<std::string>& words);
  void network(const std::vector<std::string>& words);
  void machine(const std::vector<std::string>& words);
  void start(ServerId id);
  void step(ServerId id, Event event);
  void carry_out(ServerId id, Actions actions);
  void persist(ServerId id, PersistBatch batch);
  void write(ServerId id);
  void apply(ServerId id, std::vector<Entry> entries);
  void apply_now(ServerId id);
  void snapshot(ServerId id, const SnapshotAction& action);
  void replies(ServerId id, const Actions& actions);
  bool deliver_one(const std::string& link);
  void deliver(const std::string& link);
  void elapse(Duration duration);
  void show(ServerId id);
  void check(ServerId id);
  void print(const std::string& text) { output_ += "  " + text + "\n"; }
  Server& server(const std::string& word);

  CoreOptions options_;
  std::map<ServerId, Server> servers_;
  std::deque<Message> messages_;
  std::set<std::pair<ServerId, ServerId>> cut_;
  std::map<Term, ServerId> leaders_;
  std::map<Index, Entry> committed_;
  std::uint64_t requests_ = 0;
  std::string output_;
};

}  // namespace mesh::raft
