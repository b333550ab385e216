#include "tests/sim/network.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace mesh::sim {

Network::Network(EventQueue& queue, Rng rng, const NetworkProfile& profile, HostId hosts, Deliver deliver)
    : queue_(queue), rng_(rng), profile_(profile), hosts_(hosts), deliver_(std::move(deliver)),
      links_(static_cast<std::size_t>(hosts) * hosts) {}

void Network::send(HostId from, HostId to, Bytes message) {
  CHECK(from < hosts_ && to < hosts_ && from != to, "no link {} -> {}", from, to);
  if (link(from, to).cut || rng_.chance_ppm(profile_.loss_ppm)) {
    ++lost_total_;
    return;
  }
  if (rng_.chance_ppm(profile_.clog_ppm)) {
    link(from, to).clogged_until = queue_.now() + rng_.between(Duration(0), profile_.clog_max);
  }
  if (rng_.chance_ppm(profile_.double_ppm)) post(from, to, message);
  post(from, to, std::move(message));
}

void Network::post(HostId from, HostId to, Bytes message) {
  const MonoTime arrives = std::max(queue_.now(), link(from, to).clogged_until) + link(from, to).slower_by + draw_delay();
  queue_.at(arrives, [this, from, to, bytes = std::move(message)]() mutable {
    if (link(from, to).cut) {
      ++lost_total_;
      return;
    }
    ++delivered_total_;
    deliver_(from, to, std::move(bytes));
  });
}

// Ten times the mean at most. log() of the C library may differ between machines in the last bit only, which the
// rounding to microseconds hides but for one draw in some millions.
Duration Network::draw_delay() {
  const double unit = static_cast<double>(1 + rng_.below(1U << 20)) / static_cast<double>(1U << 20);
  const double tail = std::min(10.0, -std::log(unit));
  const double micros = tail * static_cast<double>(profile_.delay_mean.count()) / 1000.0;
  return profile_.delay_min + microseconds(static_cast<std::int64_t>(micros));
}

void Network::mend_all() {
  for (Link& each : links_) each = Link{};
}

}  // namespace mesh::sim
