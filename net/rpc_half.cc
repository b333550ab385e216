#include "net/rpc_half.h"

#include "net/rpc_http2.h"

namespace mesh::net {

RpcHalf::~RpcHalf() {
  *gone_ = true;
  *total_ -= counted_;
}

void RpcHalf::stop_reading() {
  stopped_ = true;
  backlog_.clear();
  *total_ -= std::exchange(counted_, 0);
}

void RpcHalf::on_data(ByteView data) {
  if (stopped_) {
    if (stream_ != nullptr) stream_->consume(data.size());
    return;
  }
  if (!ready() || !backlog_.empty()) {
    backlog_.append(data);
    return;
  }
  const auto gone = gone_;
  const std::size_t taken = deliver(data);
  if (*gone) return;
  if (stream_ != nullptr) stream_->consume(stopped_ ? data.size() : taken);
  if (!stopped_) backlog_.append(data.substr(taken));
}

void RpcHalf::on_end() {
  ended_ = true;
  maybe_complete();
}

void RpcHalf::pump() {
  if (stopped_) return;
  const Bytes held = std::exchange(backlog_, {});
  const auto gone = gone_;
  const std::size_t taken = held.empty() ? 0 : deliver(held);
  if (*gone) return;
  if (stream_ != nullptr) stream_->consume(stopped_ ? held.size() : taken);
  if (stopped_) return;
  backlog_.append(held, taken);
  maybe_complete();
}

// How much of data was dealt with. Nothing of this may be used after *gone.
std::size_t RpcHalf::deliver(ByteView data) {
  const std::size_t size = data.size();
  const auto gone = gone_;
  while (!stopped_ && ready()) {
    auto more = reader_.next(data);
    if (more.ok() && !*more && count_unfinished() > kRpcUnfinishedBytesMax)
      more = error(Code::Overloaded, "more than {} bytes of unfinished messages on one connection", kRpcUnfinishedBytesMax);
    if (!more.ok()) {
      stop_reading();
      on_broken(std::move(more).error());
      return size;
    }
    if (!*more) return size;
    on_message(reader_.message());
    if (*gone) return size;
  }
  if (!stopped_) (void)count_unfinished();
  return size - data.size();
}

std::size_t RpcHalf::count_unfinished() {
  const std::size_t now = reader_.unfinished_bytes();
  *total_ += now - counted_;
  counted_ = now;
  return *total_;
}

void RpcHalf::maybe_complete() {
  if (!complete() || stopped_ || !ready() || std::exchange(completed_, true)) return;
  if (reader_.unfinished_bytes() != 0) return on_broken(error(Code::Corrupt, "the last message is cut off"));
  on_complete();
}

}  // namespace mesh::net
