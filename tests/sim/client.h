// Clients of a simulated cluster. Each has one request open at a time; it asks the server that it believes to lead,
// follows hints, repeats a write under its old number when no answer comes, and after some tries gives the outcome up
// as unknown. Requests and answers travel as bytes over the simulated network. One thread.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "base/rng.h"
#include "tests/sim/history.h"
#include "tests/sim/kv.h"
#include "tests/sim/network.h"

namespace mesh::sim {

struct ClientRequest {
  OpKind kind = OpKind::Read;
  KvCommand command;  // of a Read: key and number
};

enum class ReplyStatus : std::uint8_t { Done, Refused, Forgotten };

struct ClientReply {
  std::uint64_t number = 0;
  ReplyStatus status = ReplyStatus::Done;
  bool swapped = false;
  std::uint64_t value = 0;
  std::optional<HostId> leader;  // of Refused: whom to ask instead
};

[[nodiscard]] Bytes encode(const ClientRequest& request);
[[nodiscard]] Result<ClientRequest> decode_client_request(ByteView bytes);
[[nodiscard]] Bytes encode(const ClientReply& reply);
[[nodiscard]] Result<ClientReply> decode_client_reply(ByteView bytes);

struct LoadProfile {
  std::uint64_t keys = 5;
  Duration think_mean = milliseconds(20);
  Duration answer_timeout = milliseconds(700);
  std::uint32_t read_ppm = 400'000;
  std::uint32_t cas_ppm = 200'000;
  std::uint32_t stray_ppm = 50'000;  // chance to ask any server instead of the one believed to lead
  std::uint32_t filler_max = 100;
  std::uint32_t tries_max = 6;
};

class Client {
 public:
  // `host` is the client's own number in the network; servers are hosts 0 to servers - 1.
  Client(EventQueue& queue, Network& network, History& history, Rng rng, HostId host, HostId servers,
         const LoadProfile& profile);

  void start();
  void stop() { stopped_ = true; }  // after the request that is open now
  [[nodiscard]] bool idle() const { return !open_; }
  void on_reply(const ClientReply& reply);

 private:
  void think();
  void begin();
  void send();
  void retry_after(Duration delay);
  void on_timeout(std::uint64_t send_number);
  void finish();

  EventQueue& queue_;
  Network& network_;
  History& history_;
  Rng rng_;
  HostId host_;
  HostId servers_;
  LoadProfile profile_;
  bool stopped_ = false;
  HostId believed_leader_ = 0;
  std::uint64_t number_ = 0;
  std::uint64_t last_shown_ = kAbsent;
  std::optional<ClientRequest> open_;
  std::size_t history_number_ = 0;
  std::uint32_t tries_ = 0;
  std::uint64_t send_number_ = 0;
};

}  // namespace mesh::sim
