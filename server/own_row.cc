#include "server/own_row.h"

#include <utility>

#include "base/log.h"
#include "model/protocol.h"
#include "server/state_machine.h"

namespace mesh::server {

class OwnRow::Sink final : public net::RpcReplySink {
 public:
  explicit Sink(OwnRow& row) : row_(row), alive_(row.alive_) {}
  void finish(Result<Bytes> result) override {
    if (alive_.expired()) return;
    row_.under_way_ = false;
    const Status told = status_of(result);
    if (told.ok()) LOG_INFO("the cluster knows this server's address now", {"address", row_.address_});
    else LOG_WARN("this server's address could not be told to the cluster; it is tried again", {"address", row_.address_}, {"why", told.error()});
  }
  void set_on_cancelled(UniqueFunction<void()>) override {}  // nobody cancels

 private:
  OwnRow& row_;
  std::weak_ptr<char> alive_;
};

OwnRow::OwnRow(Parts parts, const ServerIdentity& identity, std::string address, std::uint64_t seed)
    : parts_(std::move(parts)), identity_(identity), address_(std::move(address)), rng_(seed), timer_(parts_.loop, [this] { look(); }) {
  timer_.start_after(kLookEvery);
}

void OwnRow::look() {
  timer_.start_after(kLookEvery);
  const model::Server* row = parts_.state().servers().find(model::server_key(identity_.server_id));
  if (row == nullptr || row->address == address_ || under_way_ || address_.empty()) return;
  tell();
}

void OwnRow::tell() {
  under_way_ = true;
  model::ServerUpdateCommand body;
  body.server_id = identity_.server_id;
  body.node_id = model::NodeId(identity_.node_id);
  body.address = address_;
  model::ApplyRequest request;
  request.command = model::make_command(std::move(body));
  while (request.command.request_id.size() < model::kRequestIdBytes) append_be64(request.command.request_id, rng_.next());
  net::RpcPeer self;
  self.kind = net::RpcPeer::Kind::Server;
  self.id = identity_.node_id;
  parts_.rpc.dispatch(model::kApplyPath, {self, encode(request), parts_.loop.now() + kTellTimeout}, std::make_unique<Sink>(*this));
}

}  // namespace mesh::server
