#include "agent/dns/answer.h"

#include "agent/dns/resolve.h"
#include "agent/dns/writer.h"

namespace mesh::dns {
namespace {

std::size_t size_limit(const Query& query, Client client, const Settings& settings) {
  if (client.tcp) return kMessageMax;
  if (!query.edns) return kUdpPlainMax;
  const std::size_t cap = client.loopback ? settings.udp_payload_loopback_max : settings.udp_payload_max;
  return std::max<std::size_t>(kUdpPlainMax, std::min<std::size_t>(query.edns->udp_size, cap));
}

Outcome only_header(const Query& query, Rcode rcode, Note note, Bytes& reply) {
  Writer writer(reply, kUdpPlainMax, false);
  writer.finish(query.header, {.rcode = rcode}, 0);
  return {.step = Step::Reply, .rcode = rcode, .note = note};
}

// The SOA says how long the absence may be remembered: the smaller of its TTL and its last field (RFC 2308).
void add_negative_soa(Lookup& lookup) {
  if (lookup.location.domain == nullptr) return;
  const Soa soa = soa_of(lookup);
  if (!lookup.writer.add_soa(Section::Authority, *lookup.location.domain, soa.negative_ttl_s, soa)) {
    lookup.truncated = true;
  }
}

class Answering {
 public:
  Answering(const Query& query, Client client, const Settings& settings, Bytes& reply)
      : query_(query),
        settings_(settings),
        writer_(reply, size_limit(query, client, settings), query.edns.has_value()) {
    writer_.question(query.question);
  }

  Outcome run(const Zone* zone, Rng& rng) {
    if (query_.edns && query_.edns->version != 0) return finish(Rcode::BadVers, Note::Unsupported);
    const std::uint16_t klass = query_.question.klass;
    if (klass != kClassIn && klass != kClassAny) return finish(Rcode::Refused, Note::Unsupported);
    const std::uint16_t type = query_.question.type;
    if (type == static_cast<std::uint16_t>(Type::Axfr) || type == static_cast<std::uint16_t>(Type::Ixfr)) {
      return finish(Rcode::NotImp, Note::Unsupported);
    }
    const Location location = locate(query_.question.name, settings_);
    place_ = location.place;
    if (place_ == Place::Outside) return outside();
    if (zone == nullptr) return finish(Rcode::ServFail, Note::NoCatalog);
    return inside(location, *zone, rng);
  }

 private:
  Outcome outside() {
    if (!settings_.recursion || !query_.header.recursion_desired()) {
      return finish(Rcode::Refused, Note::OutsideDomain);
    }
    return {.step = Step::Forward, .place = place_};
  }

  Outcome inside(const Location& location, const Zone& zone, Rng& rng) {
    bool truncated = false;
    Lookup lookup{query_.question, location, zone, settings_, rng, writer_, kQuestionName, 0, truncated};
    const Found found = resolve(lookup);
    if (found == Found::NoName && place_ == Place::Reverse && !is_mesh_address(location.address)) return outside();
    authoritative_ = true;
    if (writer_.records() == 0 && !truncated) add_negative_soa(lookup);
    truncated_ = truncated;
    return finish(found == Found::NoName ? Rcode::NxDomain : Rcode::NoError,
                  place_ == Place::OtherDatacenter ? Note::OtherDatacenter : Note::None);
  }

  // 127.128.0.0/10: ours on every host, so that no question about it leaves this one.
  static bool is_mesh_address(std::string_view bytes) {
    return bytes.size() == 4 && bytes[0] == 127 && (static_cast<unsigned char>(bytes[1]) & 0xc0) == 0x80;
  }

  Outcome finish(Rcode rcode, Note note) {
    writer_.finish(query_.header,
                   {.authoritative = authoritative_,
                    .truncated = truncated_,
                    .recursion_available = settings_.recursion,
                    .rcode = rcode},
                   static_cast<std::uint16_t>(kUdpPayloadMax));
    return {.step = Step::Reply, .rcode = rcode, .note = note, .place = place_, .truncated = truncated_};
  }

  const Query& query_;
  const Settings& settings_;
  Writer writer_;
  Place place_ = Place::Outside;
  bool authoritative_ = false;
  bool truncated_ = false;
};

}  // namespace

std::string_view note_text(Note note) {
  switch (note) {
    case Note::None: return "none";
    case Note::Malformed: return "malformed";
    case Note::Unsupported: return "unsupported";
    case Note::OtherDatacenter: return "unknown datacenter";
    case Note::OutsideDomain: return "outside of the domain and no recursion";
    case Note::NoCatalog: return "no catalog yet";
  }
  return "none";
}

Outcome answer(ByteView packet, Client client, const Zone* zone, const Settings& settings, Rng& rng, Bytes& reply) {
  CHECK(!settings.domains.empty(), "DNS without a domain");
  const Query query = parse_query(packet);
  switch (query.fault) {
    case QueryFault::None: break;
    case QueryFault::Silence: return {.step = Step::Silence, .note = Note::Malformed};
    case QueryFault::FormErr: return only_header(query, Rcode::FormErr, Note::Malformed, reply);
    case QueryFault::NotImp: return only_header(query, Rcode::NotImp, Note::Unsupported, reply);
  }
  return Answering(query, client, settings, reply).run(zone, rng);
}

void write_failure(const Query& query, Rcode rcode, bool recursion_available, Bytes& reply) {
  Writer writer(reply, kUdpPlainMax, query.edns.has_value());
  if (query.has_question) writer.question(query.question);
  writer.finish(query.header, {.recursion_available = recursion_available, .rcode = rcode},
                static_cast<std::uint16_t>(kUdpPayloadMax));
}

}  // namespace mesh::dns
