// load: a closed-loop HTTP/1.1 client for benchmarks. Each connection sends a request, waits for its answer, sends the next.
//
//   load ADDRESS PORT REQUEST-FILE --connections N --seconds S [--close | --once [--rate R]]
//
// The request file holds one request as it goes on the wire; the eight bytes "{number}" in it become a number that no other
// request of the run has. --close: a new connection for each request. --once: each connection is made once, all in one moment
// or R a second whatever becomes of them, and the run ends when all have ended, after S seconds at most. Answers need a Content-Length and a status of 2xx;
// everything else is a failure, after which the connection is made anew. Prints one JSON object: requests, failures,
// seconds, bytes, and in microseconds the time of a request at 50, 90, 99 and 100 %.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "base/clock.h"
#include "base/file.h"

namespace {

using namespace mesh;

constexpr std::string_view kNumberMark = "{number}";
constexpr std::size_t kHeadBytesMax = 16 * 1024;

struct Options {
  std::string address;
  std::uint16_t port = 0;
  std::string request;
  std::size_t connections = 1;
  Duration time = seconds(5);
  bool close = false;
  bool once = false;
  std::uint64_t rate = 0;  // 0: all in one moment
};

struct Totals {
  std::uint64_t requests = 0;
  std::uint64_t failures = 0;
  std::uint64_t bytes = 0;
  std::vector<std::uint32_t> micros;
};

// How much of an answer is still to come, learnt from its head.
class Answer {
 public:
  enum class State { Wanted, Complete, Failed };

  State take(std::string_view data) {
    if (in_body_) return take_body(data.size());
    head_.append(data);
    const std::size_t end = head_.find("\r\n\r\n");
    if (end == std::string::npos) return head_.size() > kHeadBytesMax ? State::Failed : State::Wanted;
    const std::size_t body = head_.size() - end - 4;
    if (head_.compare(0, 10, "HTTP/1.1 2") != 0) return State::Failed;
    const char* length = strcasestr(head_.c_str(), "\r\ncontent-length:");
    if (length == nullptr) return State::Failed;
    left_ = std::strtoull(length + 17, nullptr, 10);
    in_body_ = true;
    return take_body(body);
  }
  void reset() {
    head_.clear();
    in_body_ = false;
  }

 private:
  State take_body(std::uint64_t size) {
    if (size > left_) return State::Failed;
    left_ -= size;
    return left_ == 0 ? State::Complete : State::Wanted;
  }

  std::string head_;
  std::uint64_t left_ = 0;
  bool in_body_ = false;
};

class Load {
 public:
  explicit Load(Options options) : options_(std::move(options)), epoll_(epoll_create1(0)) {}

  Totals run() {
    std::vector<Client> clients(options_.connections);
    const MonoTime begin = mono_now();
    const MonoTime end = begin + options_.time;
    std::vector<epoll_event> events(256);
    std::size_t opened = 0;
    while (mono_now() < end && !(options_.once && ended_ == clients.size())) {
      for (const std::size_t due = due_at(mono_now() - begin); opened < due; ++opened) open(clients[opened]);
      const int patience = opened < clients.size() ? 1 : 100;
      const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), patience);
      for (int i = 0; i < count; ++i) happen(*static_cast<Client*>(events[static_cast<std::size_t>(i)].data.ptr));
    }
    for (const Client& client : clients) {
      if (client.fd >= 0) close(client.fd);
    }
    if (options_.once) totals_.failures += clients.size() - ended_;
    close(epoll_);
    return std::move(totals_);
  }

 private:
  struct Client {
    int fd = -1;
    bool sent = false;
    std::string out;
    MonoTime since;
    Answer answer;
  };

  // How many connections shall have been opened by then.
  [[nodiscard]] std::size_t due_at(Duration passed) const {
    if (options_.rate == 0) return options_.connections;
    const double due = 1e-9 * static_cast<double>(passed.count()) * static_cast<double>(options_.rate);
    return std::min(options_.connections, static_cast<std::size_t>(due) + 1);
  }

  void open(Client& client) {
    client.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(options_.port);
    inet_pton(AF_INET, options_.address.c_str(), &to.sin_addr);
    client.since = mono_now();
    client.sent = false;
    (void)connect(client.fd, reinterpret_cast<const sockaddr*>(&to), sizeof to);
    watch(client, EPOLL_CTL_ADD, EPOLLOUT);
  }

  void watch(Client& client, int how, std::uint32_t what) const {
    epoll_event event{};
    event.events = what;
    event.data.ptr = &client;
    epoll_ctl(epoll_, how, client.fd, &event);
  }

  void happen(Client& client) {
    if (!client.sent) {
      begin(client);
      return watch(client, EPOLL_CTL_MOD, EPOLLIN);
    }
    static char buffer[256 * 1024];
    const ssize_t size = read(client.fd, buffer, sizeof buffer);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) return fail(client);
    totals_.bytes += static_cast<std::uint64_t>(size);
    switch (client.answer.take({buffer, static_cast<std::size_t>(size)})) {
      case Answer::State::Wanted: return;
      case Answer::State::Failed: return fail(client);
      case Answer::State::Complete: return finish(client);
    }
  }

  // A request is small: the socket's buffer takes it whole.
  void begin(Client& client) {
    client.out = options_.request;
    if (const std::size_t at = client.out.find(kNumberMark); at != std::string::npos) {
      client.out.replace(at, kNumberMark.size(), fmt::format("{:08}", number_++ % 100'000'000));
    }
    client.answer.reset();
    client.sent = true;
    if (!options_.close && !options_.once) client.since = mono_now();
    (void)send(client.fd, client.out.data(), client.out.size(), MSG_NOSIGNAL);
  }

  void finish(Client& client) {
    ++totals_.requests;
    totals_.micros.push_back(static_cast<std::uint32_t>((mono_now() - client.since).count() / 1000));
    if (!options_.close && !options_.once) return begin(client);
    again(client);
  }

  void fail(Client& client) {
    ++totals_.failures;
    client.answer.reset();
    again(client);
  }

  void again(Client& client) {
    close(std::exchange(client.fd, -1));
    if (!options_.once) return open(client);
    ++ended_;
  }

  Options options_;
  int epoll_;
  std::uint64_t number_ = static_cast<std::uint64_t>(getpid()) * 1'000'003;
  std::size_t ended_ = 0;  // of --once
  Totals totals_;
};

unsigned long number_of(const std::string& word) { return std::strtoul(word.c_str(), nullptr, 10); }

Result<Options> parse(const std::vector<std::string>& words) {
  if (words.size() < 3) return error(Code::Invalid, "usage: load ADDRESS PORT REQUEST-FILE --connections N --seconds S "
                                                  "[--close | --once [--rate R]]");
  Options out;
  out.address = words[0];
  out.port = static_cast<std::uint16_t>(number_of(words[1]));
  MESH_TRY(request, read_file(words[2], ByteCount{1 << 20}));
  out.request = std::move(request);
  for (std::size_t i = 3; i < words.size(); ++i) {
    if (words[i] == "--close" || words[i] == "--once") {
      (words[i] == "--close" ? out.close : out.once) = true;
      continue;
    }
    if (i + 1 == words.size()) return error(Code::Invalid, "{} needs a number", words[i]);
    const unsigned long number = number_of(words[i + 1]);
    if (words[i] == "--connections") out.connections = number;
    else if (words[i] == "--seconds") out.time = seconds(number);
    else if (words[i] == "--rate") out.rate = number;
    else return error(Code::Invalid, "unknown option {}", words[i]);
    ++i;
  }
  return out;
}

std::uint32_t at_share(const std::vector<std::uint32_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(share * static_cast<double>(sorted.size())))];
}

}  // namespace

int main(int argc, char** argv) {
  auto options = parse({argv + 1, argv + argc});
  if (!options.ok()) {
    fmt::print(stderr, "load: {}\n", options.error().message);
    return 2;
  }
  const MonoTime began = mono_now();
  Totals totals = Load(std::move(*options)).run();
  const double took = static_cast<double>((mono_now() - began).count()) / 1e9;
  std::sort(totals.micros.begin(), totals.micros.end());
  fmt::print(R"({{"requests": {}, "failures": {}, "seconds": {:.3f}, "bytes": {}, "p50": {}, "p90": {}, "p99": {}, "max": {}}})"
             "\n",
             totals.requests, totals.failures, took, totals.bytes, at_share(totals.micros, 0.5), at_share(totals.micros, 0.9),
             at_share(totals.micros, 0.99), at_share(totals.micros, 1));
  return 0;
}
