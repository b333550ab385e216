#include "agent/doctor/look.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "agent/doctor/findings.h"
#include "agent/identity/node_files.h"
#include "base/clock.h"
#include "base/file.h"
#include "net/socket_owner.h"

namespace mesh::agent {
namespace {

constexpr ByteCount kResolvConfBytesMax{64 * 1024};

void look_at_port(PortFact& port) {
  port.owner = net::port_owner(port.protocol, port.where).value_or("");
  port.ours = port.owner.ends_with(fmt::format("(pid {})", getpid()));
}

void look_at_services(std::vector<ServiceFact>& services) {
  if (services.empty()) return;
  auto kernel = net::SocketOwner::open();
  for (ServiceFact& service : services) {
    if (kernel.ok()) service.listens = kernel->listener_at(service.where).ok();
    else service.listens = net::port_owner(net::PortProtocol::Tcp, service.where).has_value();
  }
}

void look_at_data_dir(DataDirFact& data) {
  struct statvfs disk{};
  struct stat folder{};
  if (statvfs(data.path.c_str(), &disk) != 0 || stat(data.path.c_str(), &folder) != 0) {
    data.failure = std::strerror(errno);
    return;
  }
  data.bytes_free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  data.bytes_total = std::uint64_t{disk.f_blocks} * disk.f_frsize;
  if (access(data.path.c_str(), W_OK) != 0) data.failure = fmt::format("this agent may not write there: {}", std::strerror(errno));
  if ((folder.st_mode & S_IWOTH) != 0) data.trouble = fmt::format("every user may write there (mode {:o})", folder.st_mode & 07777);
  if (const Status key = check_private(NodeFiles(data.path).key_path()); !key.ok()) data.trouble = key.error().message;
}

// What the resolver says of a name without an address.
std::string why_not(int herror) {
  switch (herror) {
    case HOST_NOT_FOUND: return "no such name";
    case NO_DATA: return "the name has no address";
    case TRY_AGAIN: return "no answer in time";
    default: return "the resolver fails";
  }
}

std::vector<std::string> addresses_in(const unsigned char* answer, int size) {
  std::vector<std::string> out;
  ns_msg message{};
  if (ns_initparse(answer, size, &message) != 0) return out;
  for (int i = 0; i < ns_msg_count(message, ns_s_an); ++i) {
    ns_rr record{};
    if (ns_parserr(&message, ns_s_an, i, &record) != 0 || ns_rr_type(record) != ns_t_a || ns_rr_rdlen(record) != 4) continue;
    std::uint32_t address = 0;
    std::memcpy(&address, ns_rr_rdata(record), 4);
    out.push_back(net::IpAddress::v4(be32toh(address)).to_string());
  }
  return out;
}

// By the C library's resolver, which is what programs here use; /etc/resolv.conf is read anew.
void ask_resolver(DnsFact& dns) {
  if (const auto text = read_file("/etc/resolv.conf", kResolvConfBytesMax); text.ok()) dns.resolvers = nameservers_of(*text);
  const auto state = std::make_unique<struct __res_state>();
  if (res_ninit(state.get()) != 0) {
    dns.failure = "the resolver cannot be set up";
    return;
  }
  state->retrans = kResolverSeconds;
  state->retry = kResolverTries;
  unsigned char answer[NS_PACKETSZ * 4];
  const int size = res_nquery(state.get(), dns.name.c_str(), ns_c_in, ns_t_a, answer, sizeof answer);
  if (size < 0) dns.failure = why_not(state->res_h_errno);
  else dns.answers = addresses_in(answer, std::min<int>(size, sizeof answer));
  if (size >= 0 && dns.answers.empty()) dns.failure = why_not(NO_DATA);
  res_nclose(state.get());
}

}  // namespace

void look_at_host(DoctorFacts& facts) {
  facts.now = wall_now();
  for (PortFact& port : facts.ports) look_at_port(port);
  look_at_services(facts.services);
  if (facts.data_dir) look_at_data_dir(*facts.data_dir);
  if (facts.dns) ask_resolver(*facts.dns);
}

}  // namespace mesh::agent
