// Texts that carry identity: a SPIFFE id, a server name, a join token. Whatever is taken is written back as the same thing.
#include "base/check.h"
#include "model/join_ticket.h"
#include "model/spiffe.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace mesh::model;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto id = SpiffeId::parse(text); id.ok()) CHECK(id->uri() == text, "an identity with two spellings");
  if (const auto sni = parse_sni(text); sni.ok()) {
    CHECK(parse_sni(service_sni(sni->service, sni->datacenter, sni->trust_domain)).value() == *sni);
  }
  if (const auto ticket = JoinTicket::parse(text); ticket.ok()) {
    CHECK(JoinTicket::parse(ticket->text()).value() == *ticket);
  }
  return 0;
}
