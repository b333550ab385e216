#include "agent/dns/message.h"

namespace mesh::dns {
namespace {

constexpr std::uint8_t kPointerBits = 0xc0;

bool read_opt(const Record& record, Query& query) {
  if (query.edns || record.owner.label_count() != 0) return false;
  query.edns = Edns{.udp_size = record.klass,
                    .version = static_cast<std::uint8_t>(record.ttl_s >> 16),
                    .dnssec_ok = (record.ttl_s & 0x8000) != 0};
  return true;
}

// The records after the question; only OPT in the additional section is looked at.
bool read_records(Reader& reader, Query& query) {
  const std::size_t before_additional = std::size_t{query.header.answer_count} + query.header.authority_count;
  const std::size_t total = before_additional + query.header.additional_count;
  if (total > kQueryRecordsMax) return false;
  for (std::size_t i = 0; i < total; ++i) {
    const auto record = reader.record();
    if (!record) return false;
    if (record->type != static_cast<std::uint16_t>(Type::Opt)) continue;
    if (i < before_additional || !read_opt(*record, query)) return false;
  }
  return reader.at_end();
}

}  // namespace

std::string_view rcode_name(Rcode rcode) {
  switch (rcode) {
    case Rcode::NoError: return "NOERROR";
    case Rcode::FormErr: return "FORMERR";
    case Rcode::ServFail: return "SERVFAIL";
    case Rcode::NxDomain: return "NXDOMAIN";
    case Rcode::NotImp: return "NOTIMP";
    case Rcode::Refused: return "REFUSED";
    case Rcode::BadVers: return "BADVERS";
  }
  return "OTHER";
}

std::optional<std::uint16_t> Reader::u16() {
  if (at_ > message_.size() || message_.size() - at_ < 2) return std::nullopt;
  const auto high = static_cast<unsigned char>(message_[at_]);
  const auto low = static_cast<unsigned char>(message_[at_ + 1]);
  at_ += 2;
  return static_cast<std::uint16_t>(high << 8 | low);
}

std::optional<std::uint32_t> Reader::u32() {
  if (at_ > message_.size() || message_.size() - at_ < 4) return std::nullopt;
  const std::uint32_t value = read_be32(message_.substr(at_, 4));
  at_ += 4;
  return value;
}

std::optional<Header> Reader::header() {
  if (message_.size() < kHeaderSize) return std::nullopt;
  at_ = 0;
  Header header;
  for (std::uint16_t* field : {&header.id, &header.flags, &header.question_count, &header.answer_count,
                               &header.authority_count, &header.additional_count}) {
    *field = *u16();
  }
  return header;
}

std::optional<Name> Reader::name() {
  Name name;
  std::size_t at = at_;
  std::size_t floor = at_;  // pointers must lead below the start of the piece being read
  bool jumped = false;
  while (at < message_.size()) {
    const auto length = static_cast<std::uint8_t>(message_[at]);
    if ((length & kPointerBits) == kPointerBits) {
      if (message_.size() - at < 2) return std::nullopt;
      const std::size_t target =
          static_cast<std::size_t>(length & 0x3f) << 8 | static_cast<unsigned char>(message_[at + 1]);
      if (target >= floor) return std::nullopt;
      if (!jumped) at_ = at + 2;
      jumped = true;
      at = floor = target;
      continue;
    }
    if ((length & kPointerBits) != 0) return std::nullopt;
    if (length == 0) {
      if (!jumped) at_ = at + 1;
      return name;
    }
    if (message_.size() - at < length + std::size_t{1}) return std::nullopt;
    if (!name.append(message_.substr(at + 1, length))) return std::nullopt;
    at += length + std::size_t{1};
  }
  return std::nullopt;
}

std::optional<Question> Reader::question() {
  auto owner = name();
  if (!owner) return std::nullopt;
  const auto type = u16();
  const auto klass = u16();
  if (!type || !klass) return std::nullopt;
  return Question{*owner, *type, *klass};
}

std::optional<Record> Reader::record() {
  const auto start = question();  // owner, type and class are laid out alike
  const auto ttl = start ? u32() : std::nullopt;
  const auto length = ttl ? u16() : std::nullopt;
  if (!length || message_.size() - at_ < *length) return std::nullopt;
  Record record{start->name, start->type, start->klass, *ttl, message_.substr(at_, *length), at_};
  at_ += *length;
  return record;
}

Query parse_query(ByteView packet) {
  Query query;
  Reader reader(packet);
  const auto header = reader.header();
  if (!header || header->is_response() || packet.size() > kMessageMax) {
    query.fault = QueryFault::Silence;
    return query;
  }
  query.header = *header;
  if (header->opcode() != 0) {
    query.fault = QueryFault::NotImp;
    return query;
  }
  query.fault = QueryFault::FormErr;
  if (header->question_count != 1) return query;
  auto question = reader.question();
  if (!question) return query;
  query.question = *question;
  query.has_question = true;
  if (question->type == static_cast<std::uint16_t>(Type::Opt)) return query;
  if (read_records(reader, query)) query.fault = QueryFault::None;
  return query;
}

}  // namespace mesh::dns
