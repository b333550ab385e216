#include "server/late_refusals.h"

#include <optional>
#include <vector>

#include "net/rpc_local.h"
#include "tests/test.h"

namespace mesh::server {
namespace {

constexpr net::RpcMethod kRefuse{"/test/Refuse"};

struct Rig {
  explicit Rig(Duration delay) : refusals(loop, delay) {
    server.handle(kRefuse, [this](net::RpcRequest, net::RpcReply reply) {
      refusals.refuse(std::move(reply), error(Code::Denied, "no"));
    });
    listener = std::make_unique<net::LocalRpcListener>(loop, server);
    channel = listener->connect(loop);
  }
  std::unique_ptr<net::RpcCall> ask() {
    return channel->call(kRefuse, "", loop.now() + seconds(20), [this](Result<Bytes> result) {
      codes.push_back(result.error().code);
    });
  }

  net::Loop loop{"test"};
  net::RpcServer server;
  LateRefusals refusals;
  std::unique_ptr<net::LocalRpcListener> listener;
  std::unique_ptr<net::RpcChannel> channel;
  std::vector<Code> codes;
};

TEST_CASE("a refusal comes after its delay, in order") {
  Rig rig(milliseconds(20));
  const MonoTime before = rig.loop.now();
  const auto one = rig.ask(), two = rig.ask();
  REQUIRE(rig.loop.run_until([&] { return rig.codes.size() == 2; }, seconds(20)));
  EXPECT(rig.loop.now() - before >= milliseconds(20));
  EXPECT(rig.codes[0] == Code::Denied);
  EXPECT_EQ(rig.refusals.refused_total(), 2);
  EXPECT_EQ(rig.refusals.waiting(), 0);
}

TEST_CASE("refusals over the limit go out at once and say nothing of the secret") {
  Rig rig(minutes(5));
  std::vector<std::unique_ptr<net::RpcCall>> calls;
  for (std::size_t i = 0; i < LateRefusals::kRefusalsWaitingMax + 2; ++i) calls.push_back(rig.ask());
  REQUIRE(rig.loop.run_until([&] { return rig.codes.size() == 2; }, seconds(20)));
  EXPECT(rig.codes[0] == Code::Overloaded);
  EXPECT_EQ(rig.refusals.waiting(), LateRefusals::kRefusalsWaitingMax);
  calls.clear();  // whoever gives up leaves its place
  REQUIRE(rig.loop.run_until([&] { return rig.refusals.waiting() == 0; }, seconds(20)));
}

}  // namespace
}  // namespace mesh::server
