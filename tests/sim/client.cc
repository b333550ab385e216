#include "tests/sim/client.h"

#include "base/check.h"
#include "tests/sim/outcome.h"

namespace mesh::sim {
namespace {
constexpr std::size_t kReplyBytes = 8 + 1 + 1 + 8 + 4;
constexpr std::uint32_t kNobody = 0xffff'ffff;
}  // namespace

Bytes encode(const ClientRequest& request) {
  Bytes out(1, static_cast<char>(request.kind));
  KvCommand command = request.command;
  if (request.kind == OpKind::Read) command.kind = OpKind::Write;  // carries key and number only
  return out + encode(command);
}

Result<ClientRequest> decode_client_request(ByteView bytes) {
  if (bytes.empty()) return error(Code::Corrupt, "empty request");
  MESH_TRY(command, decode_kv_command(bytes.substr(1)));
  return ClientRequest{static_cast<OpKind>(bytes[0]), command};
}

Bytes encode(const ClientReply& reply) {
  Bytes out;
  append_be64(out, reply.number);
  out.push_back(static_cast<char>(reply.status));
  out.push_back(reply.swapped ? 1 : 0);
  append_be64(out, reply.value);
  append_be32(out, reply.leader.value_or(kNobody));
  return out;
}

Result<ClientReply> decode_client_reply(ByteView bytes) {
  if (bytes.size() != kReplyBytes) return error(Code::Corrupt, "reply of {} bytes", bytes.size());
  ClientReply out{read_be64(bytes), static_cast<ReplyStatus>(bytes[8]), bytes[9] != 0, read_be64(bytes.substr(10)), {}};
  const std::uint32_t leader = read_be32(bytes.substr(18));
  if (leader != kNobody) out.leader = leader;
  return out;
}

Client::Client(EventQueue& queue, Network& network, History& history, Rng rng, HostId host, HostId servers,
               const LoadProfile& profile)
    : queue_(queue), network_(network), history_(history), rng_(rng), host_(host), servers_(servers),
      profile_(profile) {}

void Client::start() { think(); }

void Client::think() {
  queue_.after(rng_.between(Duration(0), profile_.think_mean * 2), [this] {
    if (!stopped_) begin();
  });
}

void Client::begin() {
  ClientRequest request;
  KvCommand& command = request.command;
  const std::uint64_t draw = rng_.below(1'000'000);
  request.kind = draw < profile_.read_ppm                      ? OpKind::Read
                 : draw < profile_.read_ppm + profile_.cas_ppm ? OpKind::Cas
                                                               : OpKind::Write;
  command.kind = request.kind;
  command.client = host_;
  command.number = ++number_;
  command.key = rng_.below(profile_.keys);
  if (request.kind != OpKind::Read) {
    command.value = std::uint64_t{host_} << 32 | number_;  // unique in the run
    command.filler = static_cast<std::uint32_t>(rng_.below(profile_.filler_max + 1));
  }
  if (request.kind == OpKind::Cas) command.expected = last_shown_;
  history_number_ = history_.call({.client = host_, .kind = request.kind, .key = command.key, .value = command.value,
                                   .expected = command.expected});
  TRACE(queue_, "request {}: {}", number_, describe(history_.operations()[history_number_]));
  open_ = request;
  tries_ = 0;
  send();
}

void Client::send() {
  ++tries_;
  const std::uint64_t mine = ++send_number_;
  HostId to = believed_leader_;
  if (rng_.chance_ppm(profile_.stray_ppm)) to = static_cast<HostId>(rng_.below(servers_));
  network_.send(host_, to, encode(*open_));
  queue_.after(profile_.answer_timeout, [this, mine] { on_timeout(mine); });
}

void Client::retry_after(Duration delay) {
  if (tries_ == profile_.tries_max) {
    finish();
    return;
  }
  const std::uint64_t mine = ++send_number_;  // what was sent before no longer times out
  queue_.after(delay, [this, mine] {
    if (open_ && send_number_ == mine) send();
  });
}

void Client::on_timeout(std::uint64_t send_number) {
  if (!open_ || send_number != send_number_) return;
  believed_leader_ = static_cast<HostId>(rng_.below(servers_));
  retry_after(Duration(0));
}

void Client::on_reply(const ClientReply& reply) {
  if (!open_ || reply.number != open_->command.number) return;
  switch (reply.status) {
    case ReplyStatus::Done:
      history_.answer(history_number_, reply.value, reply.swapped);
      TRACE(queue_, "request {}: {}", reply.number, describe(history_.operations()[history_number_]));
      if (open_->kind == OpKind::Read) last_shown_ = reply.value;
      finish();
      return;
    case ReplyStatus::Refused:
      believed_leader_ = reply.leader.value_or(static_cast<HostId>(rng_.below(servers_)));
      retry_after(rng_.between(milliseconds(1), milliseconds(100)));
      return;
    case ReplyStatus::Forgotten:
      return;
  }
}

void Client::finish() {
  open_.reset();
  think();
}

}  // namespace mesh::sim
