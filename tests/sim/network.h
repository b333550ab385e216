// The simulated network: bytes between numbered hosts, each direction of each pair a link of its own. A message may be
// lost, delayed (so that later ones overtake it), doubled, held back by a clog that then lets go of all at once, or
// swallowed by a link that is cut in its direction. One thread; the queue must outlive it.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/bytes.h"
#include "base/rng.h"
#include "base/time.h"
#include "tests/sim/event_queue.h"

namespace mesh::sim {

using HostId = std::uint32_t;  // 0, 1, ...

struct NetworkProfile {
  std::uint32_t loss_ppm = 0;
  std::uint32_t double_ppm = 0;
  std::uint32_t clog_ppm = 0;  // chance of a message to clog its link
  Duration clog_max{};
  Duration delay_min{};
  Duration delay_mean{};  // exponential, on top of delay_min
};

class Network {
 public:
  using Deliver = std::function<void(HostId from, HostId to, Bytes message)>;

  Network(EventQueue& queue, Rng rng, const NetworkProfile& profile, HostId hosts, Deliver deliver);

  void send(HostId from, HostId to, Bytes message);
  void set_profile(const NetworkProfile& profile) { profile_ = profile; }

  // Cut links swallow what is sent from now on, and what is on its way.
  void cut(HostId from, HostId to) { link(from, to).cut = true; }
  void mend(HostId from, HostId to) { link(from, to).cut = false; }
  // Delays what the link carries from now on by so much more.
  void slow_down(HostId from, HostId to, Duration by) { link(from, to).slower_by = by; }
  void mend_all();
  [[nodiscard]] bool is_cut(HostId from, HostId to) const { return links_[from * hosts_ + to].cut; }

  [[nodiscard]] std::uint64_t delivered_total() const { return delivered_total_; }
  [[nodiscard]] std::uint64_t lost_total() const { return lost_total_; }

 private:
  struct Link {
    bool cut = false;
    MonoTime clogged_until{};
    Duration slower_by{};
  };
  Link& link(HostId from, HostId to) { return links_[from * hosts_ + to]; }
  void post(HostId from, HostId to, Bytes message);
  Duration draw_delay();

  EventQueue& queue_;
  Rng rng_;
  NetworkProfile profile_;
  HostId hosts_;
  Deliver deliver_;
  std::vector<Link> links_;
  std::uint64_t delivered_total_ = 0;
  std::uint64_t lost_total_ = 0;
};

}  // namespace mesh::sim
