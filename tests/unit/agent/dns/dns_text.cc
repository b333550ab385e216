#include "tests/unit/agent/dns/dns_text.h"

#include <algorithm>
#include <charconv>
#include <vector>

#include "agent/dns/locate.h"

namespace mesh::dns {
namespace {

struct TypeName {
  std::string_view text;
  std::uint16_t type;
};
constexpr TypeName kTypes[] = {{"A", 1},     {"NS", 2},    {"CNAME", 5}, {"SOA", 6},    {"PTR", 12},   {"MX", 15},
                               {"TXT", 16},  {"AAAA", 28}, {"SRV", 33},  {"OPT", 41},   {"IXFR", 251}, {"AXFR", 252},
                               {"ANY", 255}};

std::uint16_t type_number(std::string_view text) {
  for (const TypeName& entry : kTypes) {
    if (entry.text == text) return entry.type;
  }
  std::uint16_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::string type_text(std::uint16_t type) {
  for (const TypeName& entry : kTypes) {
    if (entry.type == type) return std::string(entry.text);
  }
  return std::to_string(type);
}

void put16(Bytes& out, unsigned value) {
  out += static_cast<char>(value >> 8 & 0xff);
  out += static_cast<char>(value & 0xff);
}

std::string name_at(ByteView message, std::size_t offset) {
  const auto name = Reader(message, offset).name();
  return name ? name->text() : "?";
}

std::string txt_data(ByteView data) {
  std::string out;
  while (!data.empty()) {
    const auto size = static_cast<unsigned char>(data[0]);
    out += '"';
    out += data.substr(1, size);
    out += '"';
    data.remove_prefix(std::min<std::size_t>(size + std::size_t{1}, data.size()));
  }
  return out;
}

std::string srv_data(ByteView message, const Record& record) {
  Reader reader(message, record.data_offset);
  const auto priority = reader.u16();
  const auto weight = reader.u16();
  const auto port = reader.u16();
  return fmt::format("{} {} {} {}", *priority, *weight, *port, name_at(message, reader.offset()));
}

std::string soa_data(ByteView message, const Record& record) {
  Reader reader(message, record.data_offset);
  const auto primary = reader.name();
  const auto mailbox = reader.name();
  if (!primary || !mailbox) return "?";
  const auto serial = reader.u32();
  (void)reader.u32();
  (void)reader.u32();
  (void)reader.u32();
  const auto negative = reader.u32();
  if (!negative) return "?";
  return fmt::format("{} {} {} {}", primary->text(), mailbox->text(), *serial, *negative);
}

std::string data_text(ByteView message, const Record& record) {
  switch (static_cast<Type>(record.type)) {
    case Type::A:
    case Type::Aaaa: return ip_text(record.data);
    case Type::Ns:
    case Type::Cname:
    case Type::Ptr: return name_at(message, record.data_offset);
    case Type::Srv: return srv_data(message, record);
    case Type::Txt: return txt_data(record.data);
    case Type::Soa: return soa_data(message, record);
    default: return to_hex(record.data);
  }
}

// The records of one section as one sorted text; empty optional: malformed.
std::optional<std::string> section_text(ByteView message, Reader& reader, unsigned count) {
  std::vector<std::string> lines;
  for (unsigned i = 0; i < count; ++i) {
    const auto record = reader.record();
    if (!record) return std::nullopt;
    if (record->type == static_cast<std::uint16_t>(Type::Opt)) {
      lines.push_back(fmt::format("opt:{}", record->klass));
      continue;
    }
    lines.push_back(fmt::format("{} {} {} {}", record->owner.text(), record->ttl_s, type_text(record->type),
                                data_text(message, *record)));
  }
  std::sort(lines.begin(), lines.end());
  std::string out;
  for (const std::string& line : lines) out += (out.empty() ? "" : ", ") + line;
  return out.empty() ? "-" : out;
}

std::string flags_text(const Header& header) {
  std::string out;
  if ((header.flags & 0x0400) != 0) out += " aa";
  if (header.truncated()) out += " tc";
  if ((header.flags & 0x0080) != 0) out += " ra";
  if (!header.recursion_desired()) out += " no-rd";
  if (header.checking_disabled()) out += " cd";
  return out;
}

}  // namespace

Bytes make_query(const QueryWords& words) {
  Bytes out;
  put16(out, words.id);
  put16(out, words.flags);
  put16(out, 1);
  put16(out, 0);
  put16(out, 0);
  put16(out, words.edns_size >= 0 ? 1 : 0);
  out += Name::from_text(words.name).value().wire();
  put16(out, type_number(words.type));
  put16(out, words.klass);
  if (words.edns_size >= 0) {
    out += '\0';
    put16(out, static_cast<unsigned>(Type::Opt));
    put16(out, static_cast<unsigned>(words.edns_size));
    append_be32(out, static_cast<std::uint32_t>(words.edns_version) << 16);
    put16(out, 0);
  }
  return out;
}

std::string describe_reply(ByteView reply) {
  Reader reader(reply);
  const auto header = reader.header();
  if (!header) return "malformed: header";
  if (!header->is_response()) return "malformed: not a response";
  if (header->question_count > 1) return "malformed: questions";
  if (header->question_count == 1 && !reader.question()) return "malformed: question";
  std::string out(rcode_name(static_cast<Rcode>(header->flags & 0xf)));
  out += flags_text(*header);
  for (unsigned count : {header->answer_count, header->authority_count, header->additional_count}) {
    const auto text = section_text(reply, reader, count);
    if (!text) return "malformed: section";
    out += " | " + *text;
  }
  if (!reader.at_end()) return "malformed: bytes after the end";
  return out;
}

}  // namespace mesh::dns
