// HTTP/2 frames with gRPC inside, from a hostile peer, into either end of the RPC transport. Bit 0 of the first byte: the
// client's end, else the server's; bit 1: the peer is without a certificate; the rest chooses how the bytes are cut. What
// must hold: no crash, each call is answered once, memory stays near what was fed.
#include <cstdint>

#include "net/loop.h"
#include "net/rpc_http2.h"
#include "tests/unit/net/memory_stream.h"

using namespace mesh;
using namespace mesh::net;

namespace {

constexpr RpcMethod kEcho{"/t/E"};
constexpr RpcMethod kMirror{"/t/M"};

void turn(Loop& loop) {
  int turns = 0;
  loop.run_until([&] { return ++turns > 2; }, seconds(1));
}

void feed(Loop& loop, MemoryStream& stream, ByteView data, std::size_t step) {
  bool gone = false;
  stream.gone = &gone;
  while (!data.empty() && !gone) {
    stream.feed(data.substr(0, step));
    data.remove_prefix(std::min(step, data.size()));
    if (data.size() < 4 * step) turn(loop);
  }
  turn(loop);
  if (!gone) stream.feed_end();
  turn(loop);
  if (!gone) stream.gone = nullptr;
}

struct Mirror final : RpcServerStreamObserver {
  void on_message(ByteView message) override { stream->send(share(Bytes(message))); }
  void on_end() override { stream->end({}); }
  void on_writable() override {}
  void on_closed() override {}
  std::unique_ptr<RpcServerStream> stream;
};

void attack_server(Loop& loop, ByteView data, std::size_t step, RpcPeer::Kind kind) {
  std::vector<std::unique_ptr<Mirror>> mirrors;
  std::size_t received = 0;
  RpcServer server;
  server.handle(kEcho, [&](RpcRequest request, RpcReply reply) {
    received += request.body.size();
    reply.finish(std::move(request.body));
  });
  server.handle_stream(kMirror, [&](RpcRequest, std::unique_ptr<RpcServerStream> stream) {
    mirrors.push_back(std::make_unique<Mirror>());
    mirrors.back()->stream = std::move(stream);
    mirrors.back()->stream->set_observer(mirrors.back().get());
  });
  RpcHttp2Listener listener(loop, server, {});
  Bytes output;
  auto stream = std::make_unique<MemoryStream>(loop, output);
  MemoryStream& peer = *stream;
  listener.adopt(std::move(stream), RpcPeer{kind, ""});
  turn(loop);
  feed(loop, peer, data, step);
  CHECK(received <= data.size(), "more was received than sent");
  CHECK(output.size() <= 64 * data.size() + 4096, "{} bytes answer {}", output.size(), data.size());
}

struct Listener final : RpcStreamObserver {
  void on_message(ByteView message) override { received += message.size(); }
  void on_end(Status) override { CHECK(!std::exchange(ended, true)); }
  std::size_t received = 0;
  bool ended = false;
};

void attack_client(Loop& loop, ByteView data, std::size_t step) {
  Bytes output;
  auto stream = std::make_unique<MemoryStream>(loop, output);
  MemoryStream& peer = *stream;
  int answers = 0;
  int closed = 0;
  Listener listener;
  std::unique_ptr<RpcCall> call;
  std::unique_ptr<RpcStream> open;
  RpcHttp2Channel channel(std::move(stream), {}, [&](const Status&) { ++closed; });
  call = channel.call(kEcho, "question", loop.now() + seconds(60), [&](Result<Bytes> answer) {
    ++answers;
    CHECK(!answer.ok() || answer->size() <= data.size());
  });
  open = channel.open(kMirror, "question", listener);
  turn(loop);
  feed(loop, peer, data, step);
  CHECK(answers == 1 && closed == 1 && listener.ended, "the connection has ended");
  CHECK(listener.received <= data.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Loop loop("fuzz");
  if (size < 1) return 0;
  const ByteView input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t step = (data[0] >> 2) == 0 ? input.size() + 1 : std::size_t{data[0]} >> 2;
  if ((data[0] & 1) != 0) attack_client(loop, input, step);
  else attack_server(loop, input, step, (data[0] & 2) != 0 ? RpcPeer::Kind::Joining : RpcPeer::Kind::Agent);
  return 0;
}
