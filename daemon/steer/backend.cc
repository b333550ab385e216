#include "daemon/steer/backend.h"

#include <fmt/core.h>

#include "base/log.h"
#include "base/version.h"
#include "net/address.h"

namespace mesh::steer {

namespace {

Answer base_answer() {
  Answer answer;
  answer.version = std::string(version());
  return answer;
}

Answer failed(Fault fault, std::string message, std::string hint) {
  Answer answer = base_answer();
  answer.fault = fault;
  answer.message = std::move(message);
  answer.hint = std::move(hint);
  return answer;
}

void tell_what(Answer& answer, const Sockets& sockets) {
  answer.listeners = static_cast<std::uint32_t>(sockets.listeners.size());
  answer.dns_udp = sockets.dns_udp.has_value();
  answer.dns_tcp = sockets.dns_tcp.has_value();
}

// A redirect goes to 127.0.0.1, so the socket must be there.
Result<std::uint16_t> redirect_port(const CheckedSocket& socket) {
  if (socket.bound.ip.is_any() || socket.bound.ip == net::IpAddress::loopback()) return socket.bound.port;
  return error(Code::Invalid, "{} is not on 127.0.0.1, where nftables redirects to", socket.bound.to_string());
}

Result<RedirectPorts> redirect_ports(const Sockets& sockets) {
  RedirectPorts ports;
  for (const CheckedSocket& listener : sockets.listeners) {
    MESH_TRY(port, redirect_port(listener));
    ports.listeners.push_back(port);
  }
  if (sockets.dns_udp) {
    MESH_TRY(port, redirect_port(*sockets.dns_udp));
    ports.dns_udp = port;
  }
  if (sockets.dns_tcp) {
    MESH_TRY(port, redirect_port(*sockets.dns_tcp));
    ports.dns_tcp = port;
  }
  return ports;
}

// Both reasons in one answer: why not sk_lookup, and why nftables did not do instead.
Answer neither(const Trouble& why, const Error& nft) {
  Answer answer = failed(why.fault, why.message, why.hint);
  answer.message += fmt::format("; nftables instead: {}", nft.message);
  if (answer.hint.empty() && nft.code == Code::NotFound) answer.hint = "install nftables for the fallback";
  return answer;
}

}  // namespace

Answer Backend::start() {
  if (choice_ == Choice::Nftables) return redirect({}, {Fault::None, "asked for by --mode", ""});
  const Trouble why = sk_lookup_.attach();
  if (!why.any()) {
    Answer answer = base_answer();
    answer.mode = Mode::SkLookup;
    if (const auto now = sk_lookup_.status(); now.ok()) {
      answer.listeners = now->listeners;
      answer.dns_udp = now->dns_udp;
      answer.dns_tcp = now->dns_tcp;
    }
    answer.message = fmt::format("pinned below {}", sk_lookup_.folder());
    return answer;
  }
  return choice_ == Choice::Auto ? redirect({}, why) : failed(why.fault, why.message, why.hint);
}

Backend::Outcome Backend::hand_over(const HandOver& message, std::vector<UniqueFd> descriptors) {
  Outcome outcome;
  const auto sockets = check_sockets(message, std::move(descriptors));
  if (!sockets.ok()) {
    outcome.answer = failed(Fault::BadSocket, sockets.error().message, "");
    return outcome;
  }
  outcome.answer = steer(*sockets);
  if (outcome.answer.mode == Mode::SkLookup && sockets->dns_udp) add_dns_answers(outcome);
  return outcome;
}

Answer Backend::steer(const Sockets& sockets) {
  if (choice_ == Choice::Nftables) return redirect(sockets, {Fault::None, "asked for by --mode", ""});
  const Trouble why = sk_lookup_.put(sockets);
  if (why.any()) return choice_ == Choice::Auto ? redirect(sockets, why) : failed(why.fault, why.message, why.hint);
  Answer answer = base_answer();
  answer.mode = Mode::SkLookup;
  answer.message = fmt::format("pinned below {}", sk_lookup_.folder());
  tell_what(answer, sockets);
  // A redirect left by a helper that could not do better would send connections past the program.
  if (nft_present())
    if (const Status gone = nft_remove(); !gone.ok()) LOG_WARN("the old nftables redirect stays", {"error", gone.error()});
  return answer;
}

Answer Backend::redirect(const Sockets& sockets, const Trouble& why) {
  const auto ports = redirect_ports(sockets);
  if (!ports.ok()) return failed(Fault::BadSocket, ports.error().message, "bind listeners to 127.0.0.1");
  if (const Status applied = nft_apply(*ports); !applied.ok()) return neither(why, applied.error());
  Answer answer = failed(why.fault, why.message, why.hint);
  answer.mode = Mode::Nftables;
  tell_what(answer, sockets);
  return answer;
}

void Backend::add_dns_answers(Outcome& outcome) const {
  auto raw = open_dns_answers();
  outcome.answer.dns_answers = raw.ok();
  if (raw.ok()) {
    outcome.dns_answers = std::move(*raw);
    return;
  }
  outcome.answer.message += fmt::format("; DNS over UDP on 127.128.0.53 cannot answer: {}", raw.error().message);
  outcome.answer.hint = "give meshd-steer CAP_NET_RAW, or let the resolver ask over TCP or at port 8600";
}

Status remove_all(const std::string& bpf_folder) {
  const Status steered = SkLookup(bpf_folder).remove();
  const Status redirected = nft_present() ? nft_remove() : Status();
  return steered.ok() ? redirected : steered;
}

}  // namespace mesh::steer
