#include "gossip/driver_streams.h"

#include <utility>

#include "net/connect_error.h"
#include "net/loop.h"
#include "net/timer.h"

namespace mesh::gossip {

// Someone asks: read the question, answer it, close when the answer is with the kernel.
class DriverStreams::Inbound final : public net::StreamObserver {
 public:
  Inbound(DriverStreams& owner, std::uint64_t number, std::unique_ptr<net::Stream> stream)
      : owner_(owner), number_(number), stream_(std::move(stream)),
        decoder_(owner.user_.stream_seal(), Direction::Question, std::nullopt),
        timer_(owner.loop_, [this] { owner_.end_inbound(number_); }) {
    timer_.start_after(kInboundStreamTime);
    stream_->set_observer(this);
    stream_->resume_reading();
  }

  void on_data(ByteView data) override {
    const auto whole = decoder_.feed(data);
    if (!whole.ok()) return owner_.end_inbound(number_);
    if (!*whole) return;
    stream_->pause_reading();
    auto answer = owner_.user_.answer({decoder_.id(), decoder_.take()});
    if (!answer) return owner_.end_inbound(number_);
    stream_->write_owned(std::move(*answer));
    stream_->shutdown_write();
  }
  void on_end() override { owner_.end_inbound(number_); }
  void on_write_closed() override { owner_.end_inbound(number_); }
  void on_failed(const Error&) override { owner_.end_inbound(number_); }

 private:
  DriverStreams& owner_;
  std::uint64_t number_;
  std::unique_ptr<net::Stream> stream_;
  StreamDecoder decoder_;
  net::Timer timer_;
};

// We ask: connect, send the question, read the answer.
class DriverStreams::Outbound final : public net::StreamObserver {
 public:
  Outbound(DriverStreams& owner, StreamCall call, const net::Address& to)
      : owner_(owner), call_(std::move(call)), decoder_(owner.user_.stream_seal(), Direction::Answer, call_.id),
        timer_(owner.loop_, [this] { fail(false); }),
        connect_(std::make_unique<net::StreamConnect>(owner.loop_, to, net::ConnectOptions{.deadline = call_.deadline},
                                                      [this](auto result) { connected(std::move(result)); })) {
    timer_.start_at(call_.deadline);
  }

  void on_data(ByteView data) override {
    const auto whole = decoder_.feed(data);
    if (!whole.ok()) return fail(false);
    if (*whole) owner_.end_outbound(call_.id, StreamAnswer{call_.id, decoder_.take()});
  }
  void on_end() override { fail(false); }
  void on_failed(const Error&) override { fail(false); }

 private:
  void connected(Result<std::unique_ptr<net::Stream>> result) {
    if (!result.ok()) return fail(net::connection_refused(result.error()));
    stream_ = std::move(*result);
    stream_->set_observer(this);
    stream_->write_owned(std::move(call_.data));
    stream_->shutdown_write();
    stream_->resume_reading();
  }
  void fail(bool refused) { owner_.end_outbound(call_.id, StreamFailed{call_.id, refused}); }

  DriverStreams& owner_;
  StreamCall call_;
  StreamDecoder decoder_;
  net::Timer timer_;
  std::unique_ptr<net::StreamConnect> connect_;
  std::unique_ptr<net::Stream> stream_;
};

DriverStreams::DriverStreams(net::Loop& loop, StreamUser& user) : loop_(loop), user_(user) {}
DriverStreams::~DriverStreams() = default;

void DriverStreams::call(StreamCall call, const net::Address& to) {
  const StreamId id = call.id;
  outbound_.emplace(id, std::make_unique<Outbound>(*this, std::move(call), to));
}

void DriverStreams::accept(std::unique_ptr<net::Stream> stream) {
  if (inbound_.size() >= kInboundStreamsMax) {
    ++refused_;
    return;
  }
  const std::uint64_t number = next_++;
  inbound_.emplace(number, std::make_unique<Inbound>(*this, number, std::move(stream)));
}

void DriverStreams::end_inbound(std::uint64_t number) {
  const auto found = inbound_.find(number);
  if (found == inbound_.end()) return;
  loop_.destroy_later(std::move(found->second));
  inbound_.erase(found);
}

void DriverStreams::end_outbound(const StreamId& id, Event event) {
  const auto found = outbound_.find(id);
  if (found == outbound_.end()) return;
  loop_.destroy_later(std::move(found->second));
  outbound_.erase(found);
  user_.stream_ended(std::move(event));
}

}  // namespace mesh::gossip
