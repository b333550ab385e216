#include "agent/dns/writer.h"

#include <algorithm>

namespace mesh::dns {
namespace {

constexpr std::size_t kPointerMax = 0x3fff;
constexpr std::size_t kTxtStringMax = 255;
constexpr std::size_t kTxtMax = 16 * kTxtStringMax;

void store16(Bytes& out, std::size_t at, std::size_t value) {
  out[at] = static_cast<char>(value >> 8 & 0xff);
  out[at + 1] = static_cast<char>(value & 0xff);
}

}  // namespace

Writer::Writer(Bytes& out, std::size_t limit, bool with_edns)
    : out_(out), limit_(std::min(limit, kMessageMax) - (with_edns ? kOptSize : 0)), with_edns_(with_edns) {
  CHECK(limit >= kUdpPlainMax, "reply limit {}", limit);
  out_.assign(kHeaderSize, '\0');
}

void Writer::question(const Question& question) {
  CHECK(question_count_ == 0 && records() == 0, "question written late");
  put_name(question.name, false);
  put16(question.type);
  put16(question.klass);
  question_count_ = 1;
}

bool Writer::add_address(Section section, Owner owner, std::uint32_t ttl_s, ByteView address) {
  CHECK(address.size() == 4 || address.size() == 16, "address of {} bytes", address.size());
  const Mark start = mark();
  begin(owner, address.size() == 4 ? Type::A : Type::Aaaa, ttl_s);
  const std::size_t data = out_.size();
  out_.append(address);
  return end(start, section, data);
}

std::optional<std::uint16_t> Writer::add_srv(Owner owner, std::uint32_t ttl_s, const Srv& srv, const Name& target) {
  const Mark start = mark();
  begin(owner, Type::Srv, ttl_s);
  const std::size_t data = out_.size();
  put16(srv.priority);
  put16(srv.weight);
  put16(srv.port);
  const std::size_t target_at = out_.size();
  put_name(target, false);
  if (!end(start, Section::Answer, data)) return std::nullopt;
  return pointable(target_at);
}

std::optional<std::uint16_t> Writer::add_name(Section section, Owner owner, Type type, std::uint32_t ttl_s,
                                              const Name& target) {
  const Mark start = mark();
  begin(owner, type, ttl_s);
  const std::size_t data = out_.size();
  put_name(target, true);
  if (!end(start, section, data)) return std::nullopt;
  return pointable(data);
}

bool Writer::add_txt(Section section, Owner owner, std::uint32_t ttl_s, std::string_view text) {
  const Mark start = mark();
  begin(owner, Type::Txt, ttl_s);
  const std::size_t data = out_.size();
  text = text.substr(0, kTxtMax);
  do {
    const std::string_view piece = text.substr(0, kTxtStringMax);
    out_ += static_cast<char>(piece.size());
    out_.append(piece);
    text.remove_prefix(piece.size());
  } while (!text.empty());
  return end(start, section, data);
}

bool Writer::add_soa(Section section, Owner owner, std::uint32_t ttl_s, const Soa& soa) {
  const Mark start = mark();
  begin(owner, Type::Soa, ttl_s);
  const std::size_t data = out_.size();
  put_name(soa.primary, true);
  put_name(soa.mailbox, true);
  for (std::uint32_t value : {soa.serial, soa.refresh_s, soa.retry_s, soa.expire_s, soa.negative_ttl_s}) {
    append_be32(out_, value);
  }
  return end(start, section, data);
}

void Writer::finish(const Header& query, const ReplyFlags& flags, std::uint16_t udp_size) {
  auto rcode = static_cast<std::uint16_t>(flags.rcode);
  if (with_edns_) {
    out_ += '\0';
    put16(static_cast<std::uint16_t>(Type::Opt));
    put16(udp_size);
    append_be32(out_, static_cast<std::uint32_t>(rcode >> 4) << 24);
    put16(0);
  } else if (rcode > 0xf) {
    rcode = static_cast<std::uint16_t>(Rcode::FormErr);
  }
  // QR, and from the query: opcode, RD, CD.
  unsigned word = 0x8000U | (query.flags & 0x7910U) | (rcode & 0xfU);
  if (flags.authoritative) word |= 0x0400U;
  if (flags.truncated) word |= 0x0200U;
  if (flags.recursion_available) word |= 0x0080U;
  store16(out_, 0, query.id);
  store16(out_, 2, word);
  store16(out_, 4, question_count_);
  store16(out_, 6, counts_[0]);
  store16(out_, 8, counts_[1]);
  store16(out_, 10, counts_[2] + (with_edns_ ? 1 : 0));
}

void Writer::begin(Owner owner, Type type, std::uint32_t ttl_s) {
  if (owner.name_ != nullptr) {
    put_name(*owner.name_, true);
  } else {
    CHECK(owner.offset_ >= kHeaderSize && owner.offset_ <= kPointerMax, "pointer to {}", owner.offset_);
    put16(0xc000U | owner.offset_);
  }
  put16(static_cast<std::uint16_t>(type));
  put16(kClassIn);
  append_be32(out_, ttl_s);
  put16(0);  // the length of the data, known in end()
}

bool Writer::end(const Mark& start, Section section, std::size_t data_start) {
  constexpr std::size_t kCountMax = 0xffff - 1;  // OPT counts too
  const auto index = static_cast<std::size_t>(section);
  std::size_t& count = counts_[index];
  DCHECK(std::all_of(counts_.begin() + index + 1, counts_.end(), [](std::size_t later) { return later == 0; }),
         "section {} after a later one", index);
  if (out_.size() > limit_ || count >= kCountMax) {
    out_.resize(start.size);
    target_count_ = start.targets;
    return false;
  }
  store16(out_, data_start - 2, out_.size() - data_start);
  ++count;
  return true;
}

std::uint16_t Writer::pointable(std::size_t offset) const {
  return offset <= kPointerMax ? static_cast<std::uint16_t>(offset) : std::uint16_t{0};
}

void Writer::put16(std::size_t value) {
  out_ += static_cast<char>(value >> 8 & 0xff);
  out_ += static_cast<char>(value & 0xff);
}

void Writer::put_name(const Name& name, bool compress) {
  const std::size_t start = out_.size();
  std::size_t in_full = name.label_count();
  std::optional<std::uint16_t> pointer;
  if (compress) {
    for (std::size_t i = 0; i < name.label_count() && !pointer; ++i) {
      pointer = find(name, i);
      if (pointer) in_full = i;
    }
  }
  if (pointer) {
    out_.append(name.wire().substr(0, name.offset(in_full)));
    put16(0xc000U | *pointer);
  } else {
    out_.append(name.wire());
  }
  remember(name, in_full, start);
}

void Writer::remember(const Name& name, std::size_t labels, std::size_t start) {
  for (std::size_t i = 0; i < labels && target_count_ < targets_.size(); ++i) {
    const std::size_t at = start + name.offset(i);
    if (at > kPointerMax) return;
    targets_[target_count_++] = static_cast<std::uint16_t>(at);
  }
}

std::optional<std::uint16_t> Writer::find(const Name& name, std::size_t first_label) const {
  const ByteView suffix = name.wire().substr(name.offset(first_label));
  for (std::size_t i = 0; i < target_count_; ++i) {
    if (stands_at(suffix, targets_[i])) return targets_[i];
  }
  return std::nullopt;
}

// Follows the pointers that this writer itself has put; each leads to an earlier, complete name.
bool Writer::stands_at(ByteView suffix, std::size_t offset) const {
  while (true) {
    const auto length = static_cast<unsigned char>(out_[offset]);
    if ((length & 0xc0) == 0xc0) {
      offset = static_cast<std::size_t>(length & 0x3f) << 8 | static_cast<unsigned char>(out_[offset + 1]);
      continue;
    }
    const std::size_t piece = length + std::size_t{1};
    if (suffix.substr(0, piece) != ByteView(out_).substr(offset, piece)) return false;
    if (length == 0) return true;
    suffix.remove_prefix(piece);
    offset += piece;
  }
}

}  // namespace mesh::dns
