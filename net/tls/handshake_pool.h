// Inside of a HandshakePool: its threads run the steps that a HandshakeSchedule picks. For handshake.cc.
//
// A PooledHandshake is what loop and threads share of one handshake. While a step of it is wanted or under way (begin() or
// submit() until the answer) it belongs to the pool; otherwise to the loop, which may read its session after Done or Failed.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/function.h"
#include "base/monitor.h"
#include "base/thread.h"
#include "net/tls/handshake.h"
#include "net/tls/handshake_schedule.h"
#include "net/tls/session.h"

namespace mesh::net {

struct PooledHandshake {
  enum class Answer : std::uint8_t {
    NeedsBytes,
    Done,
    Failed,
    Overloaded,  // dropped or refused; the pool knows it no more
    Ended,       // the pool has ended
  };
  using OnAnswer = UniqueFunction<void(Answer, Bytes out)>;

  std::variant<TlsClientOptions, TlsServerOptions> options;  // until it begins
  Bytes in;                                                  // of the next step
  OnAnswer on_answer;                                        // for each step; on a thread of the pool
  std::unique_ptr<HandshakeSession> session{};               // once it has begun
};

class HandshakePool::Core {
 public:
  using Id = HandshakeSchedule::Id;

  explicit Core(const HandshakePoolOptions& options);
  // Ends the threads, then answers Ended to whoever is still open.
  void end();

  // 0: the pool has ended. The first step takes handshake->in.
  Id begin(const HandshakeSchedule::Entry& entry, std::shared_ptr<PooledHandshake> handshake);
  // The next step; an id that is not known any more: nothing, its answer is on its way. REQUIRES the last one was answered NeedsBytes.
  void submit(Id id, Bytes in);
  // No more answers, but one that is on its way.
  void leave(Id id);
  void expire(Id id);  // the same, because the deadline has come

  // Reads a count of the schedule.
  template <class Member>
  [[nodiscard]] auto count(Member member) const {
    return state_.read([member](const State& state) { return (state.schedule.*member)(); });
  }

 private:
  struct State {
    explicit State(const HandshakeScheduleOptions& options) : schedule(options) {}
    HandshakeSchedule schedule;
    std::unordered_map<Id, std::shared_ptr<PooledHandshake>> handshakes;  // those that the schedule knows
    bool ended = false;
  };
  struct Work {
    Id id = 0;
    std::shared_ptr<PooledHandshake> run{};
    std::vector<std::shared_ptr<PooledHandshake>> gone{};
    bool ended = false;
  };

  void serve();
  Work next_work();
  void run(Id id, PooledHandshake& handshake);

  Monitor<State> state_;
  std::vector<Thread> threads_;
};

}  // namespace mesh::net
