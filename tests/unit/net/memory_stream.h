// A ByteStream without a socket: what is written is kept, what is fed is delivered. For tests that choose the bytes of
// the peer, and for fuzzing.
#pragma once

#include <span>

#include "net/byte_stream.h"
#include "net/loop.h"

namespace mesh::net {

class MemoryStream final : public ByteStream {
 public:
  // Where the output goes; outlives the stream.
  MemoryStream(Loop& loop, Bytes& output) : loop_(loop), output_(output) {}
  ~MemoryStream() override {
    if (gone != nullptr) *gone = true;
  }

  // As if it had been read. The observer may destroy this.
  void feed(ByteView data) {
    if (observer_ != nullptr && reading_) observer_->on_data(data);
  }
  void feed_end() {
    if (observer_ != nullptr && reading_) observer_->on_end();
  }

  void set_observer(StreamObserver* observer) override { observer_ = observer; }
  void set_options(const StreamOptions&) override {}
  void resume_reading() override { reading_ = true; }
  void pause_reading() override { reading_ = false; }
  [[nodiscard]] bool reading() const override { return reading_; }
  using ByteStream::write;
  bool write(std::span<const ByteView> pieces) override {
    for (const ByteView piece : pieces) output_.append(piece);
    return true;
  }
  bool write_owned(Bytes data) override { return write(ByteView(data)); }
  bool write_shared(SharedBytes data) override { return write(ByteView(*data)); }
  void shutdown_write() override {}
  void reset() override {}
  [[nodiscard]] std::size_t queued_bytes() const override { return 0; }
  [[nodiscard]] bool above_high_mark() const override { return false; }
  [[nodiscard]] bool failed() const override { return false; }
  [[nodiscard]] bool reset_by_peer() const override { return false; }
  [[nodiscard]] const Endpoint& local() const override { return nowhere_; }
  [[nodiscard]] const Endpoint& remote() const override { return nowhere_; }
  [[nodiscard]] Loop& loop() const override { return loop_; }

  bool* gone = nullptr;  // set when this is destroyed

 private:
  Loop& loop_;
  Bytes& output_;
  StreamObserver* observer_ = nullptr;
  Endpoint nowhere_;
  bool reading_ = false;
};

}  // namespace mesh::net
