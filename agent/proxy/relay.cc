#include "agent/proxy/relay.h"

#include "net/loop.h"

namespace mesh::proxy {

namespace {

constexpr net::StreamOptions kLegOptions{.high_mark_bytes = kRelayHighMarkBytes,
                                         .low_mark_bytes = kRelayLowMarkBytes,
                                         .queue_bytes_max = kRelayQueueBytesMax,
                                         .write_stall_max = kRelayStallMax};

}  // namespace

Relay::Relay(std::unique_ptr<net::ByteStream> source, std::unique_ptr<net::ByteStream> destination,
             const RelayOptions& options, OnEnd on_end)
    : idle_time_(options.idle_time), on_end_(std::move(on_end)) {
  source_.stream = std::move(source);
  destination_.stream = std::move(destination);
  source_.counter = options.to_destination;
  destination_.counter = options.to_source;
}

Relay::~Relay() = default;

void Relay::start(const RelayStart& start) {
  source_.prepare(*this, destination_);
  destination_.prepare(*this, source_);
  if (idle_time_ > Duration{}) {
    idle_ = std::make_unique<net::Timer>(source_.stream->loop(), [this] {
      source_.stream->reset();
      destination_.stream->reset();
      end(model::ReasonCode::IdleTimeout);
    });
    touch();
  }
  source_.count(start.destination_has + start.for_destination.size());
  destination_.count(start.for_source.size());
  if (!start.for_destination.empty()) destination_.stream->write(start.for_destination);
  if (!start.for_source.empty()) source_.stream->write(start.for_source);
  source_.ended = start.source_ended;
  if (source_.ended) destination_.stream->shutdown_write();
  source_.read_on();
  destination_.read_on();
}

void Relay::reset() {
  on_end_ = nullptr;
  idle_.reset();
  for (Leg* leg : {&source_, &destination_}) {
    if (leg->stream) leg->stream->reset();
    leg->stream.reset();
  }
}

std::size_t Relay::queued_bytes() const {
  return source_.stream == nullptr ? 0 : source_.stream->queued_bytes() + destination_.stream->queued_bytes();
}

// ---- a leg ----

void Relay::Leg::prepare(Relay& owner, Leg& opposite) {
  relay = &owner;
  other = &opposite;
  stream->set_options(kLegOptions);
  stream->set_observer(this);
}

void Relay::Leg::read_on() {
  if (!ended && !other->stream->above_high_mark()) stream->resume_reading();
}

void Relay::Leg::on_data(ByteView data) {
  count(data.size());
  relay->touch();
  if (!other->stream->write(data)) stream->pause_reading();
}

void Relay::Leg::count(std::size_t read) {
  bytes += read;
  counter.add(read);
}

void Relay::Leg::on_end() {
  ended = true;
  relay->touch();
  other->stream->shutdown_write();
  relay->check_end();
}

void Relay::Leg::on_writable() { other->read_on(); }

void Relay::Leg::on_write_closed() {
  write_closed = true;
  relay->check_end();
}

void Relay::Leg::on_failed(const Error&) { relay->leg_failed(*this); }

// ---- both ----

void Relay::touch() {
  if (idle_) idle_->start_at(source_.stream->loop().now() + idle_time_);
}

// A stream that has nothing queued may be closed: its end was asked for, and the kernel sends it with the close.
void Relay::check_end() {
  if (source_.ended && destination_.ended && source_.flushed() && destination_.flushed())
    end(model::ReasonCode::Connected);
}

void Relay::leg_failed(const Leg& leg) {
  const bool at_source = &leg == &source_;
  source_.stream->reset();
  destination_.stream->reset();
  end(at_source ? model::ReasonCode::ResetBySource : model::ReasonCode::ResetByDestination);
}

void Relay::end(model::ReasonCode reason) {
  idle_.reset();
  source_.stream.reset();
  destination_.stream.reset();
  OnEnd fn = std::move(on_end_);
  if (fn) fn(reason);
}

}  // namespace mesh::proxy
