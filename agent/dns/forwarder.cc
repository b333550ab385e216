#include "agent/dns/forwarder.h"

#include "agent/dns/relay.h"
#include "base/log.h"
#include "net/loop.h"

namespace mesh::dns {
namespace {

constexpr std::size_t kIdSize = 2;

ForwarderOptions bounded(ForwarderOptions options) {
  CHECK(!options.recursors.empty(), "a forwarder without recursors");
  if (options.recursors.size() > kRecursorsMax) {
    LOG_WARN("dns recursors beyond the limit are ignored", {"given", options.recursors.size()}, {"used", kRecursorsMax});
    options.recursors.resize(kRecursorsMax);
  }
  return options;
}

std::uint16_t id_of(ByteView packet) {
  return static_cast<std::uint16_t>(static_cast<unsigned char>(packet[0]) << 8 | static_cast<unsigned char>(packet[1]));
}

Bytes with_id(Bytes packet, std::uint16_t id) {
  packet[0] = static_cast<char>(id >> 8);
  packet[1] = static_cast<char>(id & 0xff);
  return packet;
}

}  // namespace

Forwarder::Forwarder(net::Loop& loop, ForwarderOptions options, std::uint64_t seed, MetricRegistry* metrics)
    : loop_(loop),
      options_(bounded(std::move(options))),
      rng_(seed),
      self_(std::make_shared<Forwarder*>(this)) {
  if (metrics == nullptr) return;
  asked_ = metrics->counter({.name = "meshd_dns_forwards_total", .help = "Questions sent to recursors."});
  shared_ = metrics->counter({.name = "meshd_dns_forwards_shared_total",
                              .help = "Questions that waited for the answer to an equal one in flight."});
  loops_ = metrics->counter({.name = "meshd_dns_forward_loops_total",
                             .help = "Questions that ended without an answer while an equal one had come in: likely a "
                                     "recursor that forwards back to this agent."});
  failures_ = metrics->counters({.name = "meshd_dns_forward_failures_total",
                                 .help = "Forwarded questions without an answer.",
                                 .labels = {"reason"}});
  time_ = metrics->histogram({.name = "meshd_dns_forward_seconds", .help = "Time until a recursor's answer."},
                             HistogramScale::latency());
}

Forwarder::~Forwarder() { *self_ = nullptr; }

void Forwarder::ask(ByteView query, bool over_tcp, OnReply on_reply) {
  std::string key(query.substr(kIdSize));
  key += over_tcp ? 't' : 'u';
  const auto found = relays_.find(key);
  if (found != relays_.end()) {
    if (found->second.waiters.size() >= kForwardWaitersMax) return refuse(std::move(on_reply), "too many wait for it");
    shared_.add();
    found->second.waiters.push_back({id_of(query), std::move(on_reply)});
    return;
  }
  if (relays_.size() >= kForwardsInFlightMax) return refuse(std::move(on_reply), "too many questions in flight");
  relays_[key].waiters.push_back({id_of(query), std::move(on_reply)});
  start(key, query, over_tcp);
}

void Forwarder::start(const std::string& key, ByteView query, bool over_tcp) {
  asked_.add();
  relays_[key].relay = std::make_unique<Relay>(
      loop_, options_.recursors, options_.attempt_time, rng_, query, over_tcp,
      [this, key](Result<Bytes> reply) { finished(key, std::move(reply)); });
}

void Forwarder::refuse(OnReply on_reply, std::string_view why) {
  failures_.with({code_name(Code::Overloaded)}).add();
  loop_.defer([self = self_, on_reply = std::move(on_reply), why]() mutable {
    if (*self != nullptr) on_reply(error(Code::Overloaded, "while asking recursors: {}", why));
  });
}

void Forwarder::finished(const std::string& key, Result<Bytes> reply) {
  auto node = relays_.extract(key);
  Pending pending = std::move(node.mapped());
  if (reply.ok()) {
    time_.observe(loop_.now() - pending.relay->started());
  } else {
    failures_.with({code_name(reply.error().code)}).add();
    if (reply.error().code == Code::Timeout && pending.waiters.size() > 1) {
      loops_.add();
      LOG_WARN("dns question without an answer while the same one came in again: does a recursor ask this agent?",
               {"waiting", pending.waiters.size()}, {"error", reply.error()});
    }
  }
  // A completion may destroy this forwarder.
  const auto self = self_;
  for (Waiter& waiter : pending.waiters) {
    if (*self == nullptr) return;
    waiter.on_reply(reply.ok() ? Result<Bytes>(with_id(*reply, waiter.id)) : Result<Bytes>(reply.error()));
  }
}

bool is_reply_to(ByteView reply, std::uint16_t id, const Question& question) {
  Reader reader(reply);
  const auto header = reader.header();
  if (!header || !header->is_response() || header->opcode() != 0 || header->id != id) return false;
  if (header->question_count == 0) return (header->flags & 0xf) == static_cast<unsigned>(Rcode::FormErr);
  const auto own = header->question_count == 1 ? reader.question() : std::nullopt;
  return own && own->name.equals(question.name) && own->type == question.type && own->klass == question.klass;
}

}  // namespace mesh::dns
