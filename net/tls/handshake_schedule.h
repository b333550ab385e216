// Which step of which handshake the threads of a HandshakePool work on next. A core: time is an argument, one caller at a time.
//
// A handshake enters and waits without having cost anything; it begins, once, when a thread has time for it; from then on
// its steps alternate with waiting for the peer, until it is over. What may overload a host is the arithmetic, so the rules
// are about that:
//
// - A step of a handshake that has begun goes before the first step of another one, and among these the handshake that began
//   first: what has cost work, here and at the peer, is brought to its end.
// - Each way (client, server) begun_max handshakes are under way while threads are busy, so that what begins ends soon. A
//   thread that finds no other work begins more, kHandshakeSparePace times as fast as the pool can do them: then the peers
//   or the way to them are what is slow, not this host.
// - Waiting ones begin in the order in which they came; but the newest first once the oldest has waited for
//   kHandshakeWaitLong: by then more come than can be served, and in order everyone would be served just too late, after
//   the caller has given up. The newest have the most time left.
// - What cannot be done by its deadline is dropped before a thread has touched it: past its deadline, or nearer to it than
//   handshakes take of late. When more than waiting_max wait, the one that has waited longest is refused.
// - When sessions_max are under way and others wait, the one whose peer has been silent for longest is refused, if that is
//   more than kHandshakePeerSlow: silent peers do not lock out the others.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/time.h"

namespace mesh::net {

enum class HandshakeSide : std::uint8_t { Client, Server };

inline constexpr Duration kHandshakeWaitLong = milliseconds(500);
inline constexpr Duration kHandshakePeerSlow = seconds(1);
inline constexpr int kHandshakeSparePace = 4;
inline constexpr Duration kHandshakeCostFirst = milliseconds(8);  // of a thread's time, until one has been measured

struct HandshakeScheduleOptions {
  std::size_t threads = 2;
  std::size_t begun_max = 64;       // each way; more only while a thread has nothing else to do
  std::size_t sessions_max = 512;   // each way: begun ones in all
  std::size_t waiting_max = 1'024;  // each way
};

class HandshakeSchedule {
 public:
  using Id = std::uint64_t;

  struct Entry {
    HandshakeSide side = HandshakeSide::Client;
    MonoTime deadline = kNever;
    Duration time_begun = Duration::max();  // from its begin on; the deadline holds as well
  };
  struct Entered {
    Id id = 0;
    std::optional<Id> refused{};  // had to go to make room, and is not known any more
  };
  struct Pick {
    std::optional<Id> run{};       // the caller runs its next step, then tells by ran()
    std::vector<Id> gone{};        // dropped or refused, and not known any more
    MonoTime again = kNever;       // nothing to run: pick again then, or after any other call
  };
  enum class Step : std::uint8_t { NeedsBytes, Done, Failed };

  explicit HandshakeSchedule(const HandshakeScheduleOptions& options) : options_(options) {}

  Entered enter(const Entry& entry, MonoTime now);
  [[nodiscard]] Pick pick(MonoTime now);
  // A picked step is over; after Done or Failed the handshake is not known any more. An id that is not known: no-op.
  void ran(Id id, Step result, Duration took, MonoTime now);
  // The peer has sent bytes for its next step. An id that is not known: no-op. REQUIRES that its last step is over.
  void ready(Id id);
  // It is over from outside, in whatever state. An id that is not known: no-op.
  void leave(Id id);
  // The same because its deadline has come: counted as dropped if it was waiting for a thread.
  void expire(Id id);

  [[nodiscard]] std::size_t waiting() const { return waiting_[0].size() + waiting_[1].size(); }  // not begun
  [[nodiscard]] std::size_t begun() const { return begun_[0] + begun_[1]; }
  [[nodiscard]] std::size_t steps_ready() const { return ready_.size(); }
  [[nodiscard]] std::uint64_t refused_total() const { return refused_total_; }
  [[nodiscard]] std::uint64_t dropped_total() const { return dropped_total_; }

 private:
  enum class State : std::uint8_t { Waiting, Ready, Running, AtPeer };
  struct Handshake {
    Entry entry;
    State state = State::Waiting;
    MonoTime entered{};
    MonoTime begun{};
    MonoTime at_peer_since{};
    Duration spent{};
    std::uint64_t number = 0;  // in the order of begins
  };
  using Handshakes = std::unordered_map<Id, Handshake>;

  std::optional<Id> pick_ready(Pick& pick, MonoTime now);
  std::optional<Id> pick_waiting(HandshakeSide side, Pick& pick, MonoTime now);
  void begin(Id id, Handshake& handshake, MonoTime now);
  MonoTime make_room(HandshakeSide side, Pick& pick, MonoTime now);
  [[nodiscard]] MonoTime may_begin_at(HandshakeSide side, MonoTime now) const;
  [[nodiscard]] Id next_waiting(HandshakeSide side, MonoTime now) const;
  [[nodiscard]] bool too_late(const Handshake& handshake, MonoTime now) const;
  void measure(const Handshake& handshake, MonoTime now);
  void drop(Id id, Pick& pick);
  void forget(Handshakes::iterator which);

  static std::size_t index(HandshakeSide side) { return static_cast<std::size_t>(side); }

  const HandshakeScheduleOptions options_;
  Handshakes handshakes_;
  std::array<std::set<Id>, 2> waiting_;           // by side; ids grow, so the first is the oldest
  std::map<std::uint64_t, Id> ready_;             // by number
  std::array<std::set<std::pair<MonoTime, Id>>, 2> at_peer_;  // by side; those whose peer is to speak, since when
  std::array<std::size_t, 2> begun_{};            // by side
  std::array<MonoTime, 2> last_begin_{};          // by side
  std::array<Duration, 2> typical_{};             // by side: from begin to end, of late; zero: not known
  Duration cost_ = kHandshakeCostFirst;           // time of a thread for one handshake, of late
  Id last_id_ = 0;
  std::uint64_t last_number_ = 0;
  std::uint64_t refused_total_ = 0;
  std::uint64_t dropped_total_ = 0;
};

}  // namespace mesh::net
