// The answer to one DNS packet, as a pure function: bytes in, bytes out, over one version of the catalog.
//
// Rules that are not obvious from the RFCs:
//  - Instances in critical state are left out; a service without any other, and a tag that none has, do not exist
//    (NXDOMAIN, as Consul answers). A name that exists without data of the type asked is NOERROR with the SOA.
//  - Names that only lead to others ("service.mesh", "dc1.mesh") exist without data, so that resolvers that minimise
//    names (RFC 9156) and believe NXDOMAIN (RFC 8020) find what is below.
//  - An unknown datacenter is NXDOMAIN.
//  - Records are shuffled; what does not fit is left out and TC set, at the real size limit of the transport.
//    Additional records that do not fit are left out without TC (RFC 2181 section 9).
//  - SRV targets resolve under the domain: NODE.node.DC.DOMAIN, or HEX.addr.DC.DOMAIN if the instance has an address of
//    its own; their addresses come along in the additional section.
//  - An instance at a host name gives a CNAME, followed if it lies in our domains, if no instance has an IP address.
//  - Case comes back as it was asked; compression never changes it.
// To add a form of name start at locate.h, to add its records at resolve() in resolve.cc.
#pragma once

#include <cstdint>

#include "agent/dns/locate.h"
#include "agent/dns/message.h"
#include "agent/dns/settings.h"
#include "agent/dns/zone.h"
#include "base/bytes.h"
#include "base/rng.h"

namespace mesh::dns {

enum class Step : std::uint8_t {
  Reply,    // send `reply`
  Silence,  // send nothing
  Forward,  // ask a recursor; `reply` is empty
};

// Why the answer is not an ordinary one; for the log and for metrics.
enum class Note : std::uint8_t {
  None,
  Malformed,        // FORMERR, or silence
  Unsupported,      // NOTIMP, BADVERS, or another class
  OtherDatacenter,
  OutsideDomain,    // REFUSED: no recursors, or recursion not desired
  NoCatalog,        // SERVFAIL: no version of the catalog yet
};
[[nodiscard]] std::string_view note_text(Note note);

struct Client {
  bool tcp = false;
  bool loopback = false;  // it can take larger datagrams
};

struct Outcome {
  Step step = Step::Silence;
  Rcode rcode = Rcode::NoError;
  Note note = Note::None;
  Place place = Place::Outside;
  bool truncated = false;
};

// `zone` null: no catalog has been seen yet. Never fails; `reply` is overwritten, its capacity reused. Deterministic
// for one state of `rng`.
[[nodiscard]] Outcome answer(ByteView packet, Client client, const Zone* zone, const Settings& settings, Rng& rng,
                             Bytes& reply);

// A reply of just the header and question, for failures beyond this function (SERVFAIL of a recursor).
void write_failure(const Query& query, Rcode rcode, bool recursion_available, Bytes& reply);

}  // namespace mesh::dns
