// The helper's socket: lets in root and one user, hands their messages to the backend, answers. One thread, poll(2).
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/result.h"
#include "base/time.h"
#include "daemon/steer/backend.h"

namespace mesh::steer {

inline constexpr std::size_t kClientsMax = 8;                // more are hung up on at once
inline constexpr Duration kFrameTimeMax = seconds(5);        // from its first byte (or the connect) to its last

// Whether a helper takes connections at this path.
[[nodiscard]] bool helper_answers(const std::string& socket_path);

class Service {
 public:
  struct Options {
    std::string socket_path;
    uid_t user = 0;       // may connect, besides root
    UniqueFd listening{}; // from socket activation; else the path is made, and removed at the end
  };
  // Conflict: another helper answers there. A path that nobody answers on is replaced. `backend` must outlive the service.
  static Result<std::unique_ptr<Service>> open(Options options, Backend& backend);
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  // Serves until `stop` can be read (a signalfd).
  [[nodiscard]] Status serve(int stop);

 private:
  struct Client {
    UniqueFd fd;
    Bytes input{};
    std::vector<UniqueFd> descriptors{};
    MonoTime deadline = kNever;
  };

  Service(Options options, Backend& backend) : options_(std::move(options)), backend_(backend) {}
  void accept_one();
  [[nodiscard]] bool allowed(int fd) const;
  [[nodiscard]] Status serve_client(Client& client);
  [[nodiscard]] Status answer(Client& client, const HandOver& message);
  [[nodiscard]] int poll_time_ms() const;

  Options options_;
  Backend& backend_;
  UniqueFd listener_;
  bool own_path_ = false;
  std::vector<Client> clients_;
};

}  // namespace mesh::steer
