// The agent's side of meshd-steer: hands listening sockets to the helper and keeps them handed over. Loop thread only.
//
// It connects, hands over and stays connected. When the helper goes, steering goes on in the kernel; the client tries
// again (kSteerRetryMin, doubled up to kSteerRetryMax) and hands over to the new helper. While the helper cannot steer
// by sk_lookup it is asked again every kSteerAgainAfter: an administrator may have mended the cause. What changes is
// told once, by the observer and as one line in the log.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/function.h"
#include "base/time.h"
#include "daemon/steering.h"
#include "net/loop.h"

namespace mesh::net {
class Readable;
class Timer;
}

namespace mesh::daemon {

inline constexpr Duration kSteerRetryMin = milliseconds(200);
inline constexpr Duration kSteerRetryMax = seconds(10);
inline constexpr Duration kSteerAnswerMax = seconds(10);  // the helper's time for an answer
inline constexpr Duration kSteerAgainAfter = seconds(60);

// Descriptors stay their owners' and must be open from hand_over() until the next hand_over() or the client's end: the
// client keeps no copies, so that a closed listener is refused at once.
struct SteerSockets {
  std::vector<int> listeners{};  // one per worker, IPv4, listening; at most steer::kListenersMax
  std::optional<int> dns_udp{};
  std::optional<int> dns_tcp{};
};

class SteerClient {
 public:
  // The state changed; not called from inside hand_over(). Must not destroy the client.
  using OnChange = UniqueFunction<void(const SteerState& state)>;
  // Answers to DNS questions over UDP must leave by this socket (net/udp.h: answer_through); a newer one replaces it.
  using OnDnsAnswers = UniqueFunction<void(UniqueFd raw)>;

  struct Options {
    std::string socket_path;  // RUN_DIR/steer.sock
    OnChange on_change{};
    OnDnsAnswers on_dns_answers{};
  };

  SteerClient(net::Loop& loop, Options options);
  ~SteerClient();  // hangs up; steering stays as it is
  SteerClient(const SteerClient&) = delete;
  SteerClient& operator=(const SteerClient&) = delete;

  // Replaces what was handed over before. REQUIRES at most steer::kListenersMax listeners.
  void hand_over(SteerSockets sockets);

  [[nodiscard]] const SteerState& state() const { return state_; }

 private:
  void connect();
  [[nodiscard]] Status try_connect();
  [[nodiscard]] Status send();
  void on_readable();
  [[nodiscard]] Status read_some();
  void on_answer(steer::Answer answer);
  void lost(SteerState::Link link, const Error& cause);
  void on_timer();
  void change(SteerState next);

  net::Loop& loop_;
  Options options_;
  std::optional<SteerSockets> sockets_;
  SteerState state_;
  std::optional<SteerState> told_;  // the state as the observer knows it
  std::string logged_;              // the last line in the log
  UniqueFd connection_;
  std::unique_ptr<net::Readable> readable_;
  std::unique_ptr<net::Timer> timer_;  // the next attempt, or the end of the wait for an answer
  Bytes input_;
  std::vector<UniqueFd> received_;
  Duration retry_ = kSteerRetryMin;
};

}  // namespace mesh::daemon
