#include "net/resolver.h"

#include <uv.h>

#include <algorithm>
#include <string_view>

#include "net/loop.h"
#include "net/sockets.h"
#include "net/timer.h"

namespace mesh::net {

namespace {

constexpr std::size_t kAddressesMax = 64;
constexpr std::size_t kHostBytesMax = 255;

struct AddressListDelete {
  void operator()(addrinfo* list) const { uv_freeaddrinfo(list); }
};
using AddressList = std::unique_ptr<addrinfo, AddressListDelete>;

bool is_localhost(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  constexpr std::string_view kLocalhost = "localhost";
  if (name.size() < kLocalhost.size()) return false;
  const std::string_view end = name.substr(name.size() - kLocalhost.size());
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; };
  return std::equal(end.begin(), end.end(), kLocalhost.begin(), same) &&
         (name.size() == kLocalhost.size() || name[name.size() - kLocalhost.size() - 1] == '.');
}

Result<std::vector<IpAddress>> to_addresses(const std::string& host, int status, const addrinfo* list) {
  if (status == UV_EAI_NONAME || status == UV_EAI_NODATA)
    return error(Code::NotFound, "the host name {} does not resolve", host);
  if (status != 0) return error(Code::Unavailable, "while resolving {}: {}", host, uv_strerror(status));
  std::vector<IpAddress> addresses;
  for (; list != nullptr && addresses.size() < kAddressesMax; list = list->ai_next) {
    const Endpoint endpoint = from_socket_name(list->ai_addr, list->ai_addrlen);
    if (!endpoint.is_unix()) addresses.push_back(endpoint.address().ip);
  }
  if (addresses.empty()) return error(Code::NotFound, "the host name {} has no address", host);
  return addresses;
}

}  // namespace

struct Resolve::Operation {
  Operation(Loop& on_loop, std::string name, OnDone done)
      : loop(on_loop), host(std::move(name)), on_done(std::move(done)), timer(on_loop, [this] {
          finish(error(Code::Timeout, "while resolving {}: no answer in time", host));
        }) {}

  // What libuv's worker keeps; it may finish after the operation was destroyed.
  struct Request {
    uv_getaddrinfo_t uv;
    std::weak_ptr<Operation> operation;
  };

  static void start(const std::shared_ptr<Operation>& operation);
  void finish(Result<std::vector<IpAddress>> result) {
    if (!on_done) return;
    timer.stop();
    OnDone fn = std::exchange(on_done, nullptr);
    fn(std::move(result));
  }

  Loop& loop;
  std::string host;
  OnDone on_done;
  Timer timer;
};

void Resolve::Operation::start(const std::shared_ptr<Operation>& operation) {
  const auto answer_later = [&operation](Result<std::vector<IpAddress>> result) {
    operation->loop.defer([weak = std::weak_ptr(operation), result = std::move(result)]() mutable {
      if (auto alive = weak.lock()) alive->finish(std::move(result));
    });
  };
  if (auto literal = IpAddress::parse(operation->host); literal.ok())
    return answer_later(std::vector<IpAddress>{*literal});
  if (is_localhost(operation->host))
    return answer_later(std::vector<IpAddress>{IpAddress::parse("::1").value(), IpAddress::loopback()});
  if (operation->host.empty() || operation->host.size() > kHostBytesMax)
    return answer_later(error(Code::NotFound, "a host name has 1 to {} bytes", kHostBytesMax));
  auto* request = new Request{{}, operation};
  request->uv.data = request;
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG;
  const int code = uv_getaddrinfo(
      operation->loop.raw(), &request->uv,
      [](uv_getaddrinfo_t* uv, int status, addrinfo* list) {
        const AddressList own_list(list);
        const std::unique_ptr<Request> own(static_cast<Request*>(uv->data));
        if (auto alive = own->operation.lock()) alive->finish(to_addresses(alive->host, status, list));
      },
      operation->host.c_str(), nullptr, &hints);
  if (code == 0) return;
  delete request;
  answer_later(to_addresses(operation->host, code, nullptr));
}

Resolve::Resolve(Loop& loop, const std::string& host, MonoTime deadline, OnDone on_done)
    : operation_(std::make_shared<Operation>(loop, host, std::move(on_done))) {
  CHECK(deadline != kNever, "a lookup needs a deadline");
  operation_->timer.start_at(deadline);
  Operation::start(operation_);
}

Resolve::~Resolve() = default;

}  // namespace mesh::net
