// meshctl's way to the agent: one HTTP call at a time over the agent's unix socket or TCP. Main thread only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "base/time.h"
#include "net/address.h"
#include "net/http1/message.h"

namespace mesh::net {
class Loop;
class Http1Client;
}  // namespace mesh::net

namespace mesh::cli {

inline constexpr std::string_view kDefaultSocket = "/run/meshd/agent.sock";
inline constexpr std::string_view kDefaultAddress = "127.0.0.1:8500";

// What the user said about where the agent is and how long to wait.
struct ClientOptions {
  std::string address;   // "HOST:PORT", "unix:/PATH", or empty: the socket if it is there, else kDefaultAddress
  Duration timeout = seconds(10);
  std::string token = {};  // sent along if not empty
};

class Client {
 public:
  // Error: Invalid, the address is none.
  [[nodiscard]] static Result<std::unique_ptr<Client>> make(const ClientOptions& options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // A path with query, e.g. "/v1/kv/a?raw". Errors: Unavailable and Timeout with the agent's address and what to try;
  // NotFound (404), Denied (401, 403), Invalid (400), Error otherwise, each with the agent's own text.
  [[nodiscard]] Result<net::HttpResponse> call(net::HttpMethod method, std::string_view path, Bytes body = {});

  // The same with an answer that is JSON.
  [[nodiscard]] Result<JsonValue> get_json(std::string_view path);

 private:
  Client(net::Endpoint agent, const ClientOptions& options);

  net::Endpoint agent_;
  Duration timeout_;
  std::string token_;
  std::unique_ptr<net::Loop> loop_;
  std::unique_ptr<net::Http1Client> http_;
};

// For a path segment or a query value: everything but RFC 3986's unreserved characters is escaped; '/' is kept if asked.
[[nodiscard]] std::string url_escape(std::string_view text, std::string_view keep = {});

}  // namespace mesh::cli
