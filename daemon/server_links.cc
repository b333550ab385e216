#include "daemon/server_links.h"

#include "net/address.h"

namespace mesh::daemon {

std::unique_ptr<net::RpcChannel> ServerLinks::connect(net::Loop& loop) {
  auto channel = std::make_unique<agent::ServerChannel>(loop, pool_, rng_.fork(), options_);
  links_.push_back({&loop, channel.get()});
  return channel;
}

template <class Change>
void ServerLinks::each(Change change) {
  for (const Link& link : links_) {
    if (link.loop->on_thread()) change(*link.channel);
    else link.loop->post([change, channel = link.channel] { change(*channel); });
  }
}

Status ServerLinks::set_servers(const std::vector<std::string>& servers) {
  std::vector<net::Endpoint> endpoints;
  for (const std::string& server : servers) {
    MESH_TRY(address, net::Address::parse(server).context("server address \"{}\"", server));
    endpoints.emplace_back(address);
  }
  each([endpoints](agent::ServerChannel& channel) { channel.set_servers(endpoints); });
  return {};
}

std::string ServerLinks::describe(const net::Loop& loop) const {
  for (const Link& link : links_)
    if (link.loop == &loop) return link.channel->describe();
  return "no connection was asked for";
}

void ServerLinks::set_identities(const proxy::Identities& identities) {
  each([node = identities.node, trust = identities.trust](agent::ServerChannel& channel) {
    channel.set_identity(node);
    channel.set_trust(trust);
  });
}

}  // namespace mesh::daemon
