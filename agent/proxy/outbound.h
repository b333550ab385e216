// A connection that a local program made to a mesh address, or to the address of an upstream. Worker loop only.
//
// Steps: who calls (kernel) -> where to (route) -> which instances (candidates) -> one after the other until one connects,
// bounded in number and time -> relay. An instance of this node is authorized here and dialled directly; another one is
// asked for at its host. What policy denies is not tried elsewhere. When all fail the program's connection is reset.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/proxy/connection.h"
#include "agent/proxy/remote_dial.h"
#include "net/tcp.h"

namespace mesh::proxy {

inline constexpr std::size_t kEarlyBytesMax = 16 * 1024;  // of the program, sent before the status and kept until then

class OutboundConnection final : public Connection, public DialObserver, net::StreamObserver {
 public:
  // bind: the listener was made for one upstream; null: a mesh address.
  OutboundConnection(Worker& worker, std::unique_ptr<net::Stream> client, const UpstreamBind* bind);
  ~OutboundConnection() override;

  void start() override;

 private:
  std::optional<EndReport> find_way();
  std::optional<EndReport> find_route_of_call();
  std::optional<EndReport> find_caller(const CallerFacts& facts);
  // dialled: the stream's own address; becomes what it was before a redirect.
  const Route* find_mesh_route(net::Endpoint& dialled) const;
  void next_attempt();
  void try_local(const MeshEndpoint& endpoint);
  void try_remote(const MeshEndpoint& endpoint);
  void local_connected(Result<std::unique_ptr<net::Stream>> result);
  void attempt_failed(EndReport report);
  void refuse(EndReport report);
  [[nodiscard]] std::string with_caller(std::string text) const;
  [[nodiscard]] const MeshEndpoint& endpoint() const { return (*instances_)[order_[attempt_]]; }

  // The client before the status (StreamObserver).
  void on_data(ByteView data) override;
  void on_end() override;
  void on_failed(const Error& error) override;

  void on_dial_open() override;
  void on_dial_done(std::unique_ptr<net::ByteStream> stream, ByteView rest) override;
  void on_dial_failed(DialFailure failure) override;

  void release() override;

  std::unique_ptr<net::Stream> client_;
  std::optional<UpstreamBind> bind_;
  CallerFacts caller_;
  // Of the time of the call; let go of when bytes flow.
  ProxySnapshotPtr snapshot_;
  std::shared_ptr<const ServiceEndpoints> endpoints_;
  const std::vector<MeshEndpoint>* instances_ = nullptr;  // in endpoints_
  std::string port_;
  std::vector<std::uint32_t> order_;
  std::size_t attempt_ = 0;
  MonoTime deadline_{};
  EndReport last_failure_;
  Bytes early_;
  bool client_ended_ = false;
  std::unique_ptr<net::StreamConnect> connect_;
  std::unique_ptr<RemoteDial> dial_;
};

}  // namespace mesh::proxy
