#include "server/late_refusals.h"

#include <utility>

namespace mesh::server {

struct LateRefusals::Waiting {
  net::RpcReply reply;
  Error why;
  MonoTime due;
};

LateRefusals::LateRefusals(net::Loop& loop, Duration delay)
    : loop_(loop), delay_(delay), timer_(loop, [this] { on_timer(); }) {}

LateRefusals::~LateRefusals() = default;

void LateRefusals::refuse(net::RpcReply reply, Error why) {
  ++refused_total_;
  if (waiting_.size() >= kRefusalsWaitingMax) {
    return reply.finish(error(Code::Overloaded, "too many failed attempts: try again later"));
  }
  waiting_.push_back(std::make_unique<Waiting>(Waiting{std::move(reply), std::move(why), loop_.now() + delay_}));
  const auto place = std::prev(waiting_.end());
  (*place)->reply.on_cancelled([this, place] {
    loop_.destroy_later(std::move(*place));
    waiting_.erase(place);
  });
  if (waiting_.size() == 1) timer_.start_at(waiting_.front()->due);
}

void LateRefusals::on_timer() {
  while (!waiting_.empty() && waiting_.front()->due <= loop_.now()) {
    const std::unique_ptr<Waiting> first = std::move(waiting_.front());
    waiting_.pop_front();
    first->reply.finish(std::move(first->why));
  }
  if (!waiting_.empty()) timer_.start_at(waiting_.front()->due);
}

}  // namespace mesh::server
