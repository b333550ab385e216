// Writes one DNS response: header, question, records with name compression (RFC 1035 section 4.1.4), OPT (RFC 6891).
//
// One object per message, one thread, borrowing the output buffer until finish(). Every add_ either appends the whole
// record or leaves the message as it was and says so (empty optional, false): the limit given at the start is never
// passed. Records must come in the order of the sections. The cost is one pass and no heap memory beyond the buffer.
//
// Owner and the names inside NS, CNAME, PTR and SOA are compressed, against at most kCompressionTargets earlier names
// and with the same case only, so that the case of every name survives. SRV targets are written in full (RFC 2782).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/dns/message.h"

namespace mesh::dns {

inline constexpr std::size_t kCompressionTargets = 48;
inline constexpr std::size_t kOptSize = 11;  // an OPT record without options

enum class Section : std::uint8_t { Answer, Authority, Additional };

// The owner of a record: a name, or the place of one that stands in the message already.
class Owner {
 public:
  Owner(const Name& name) : name_(&name) {}                  // NOLINT: implicit on purpose; must outlive the call
  Owner(std::uint16_t offset) : offset_(offset) {}           // NOLINT: implicit on purpose

 private:
  friend class Writer;
  const Name* name_ = nullptr;
  std::uint16_t offset_ = 0;
};

// The question's name, which is the owner of most answers.
inline constexpr std::uint16_t kQuestionName = kHeaderSize;

struct Srv {
  std::uint16_t priority = 1;
  std::uint16_t weight = 1;
  std::uint16_t port = 0;
};

struct Soa {
  Name primary;
  Name mailbox;
  std::uint32_t serial = 0;
  std::uint32_t refresh_s = 0;
  std::uint32_t retry_s = 0;
  std::uint32_t expire_s = 0;
  std::uint32_t negative_ttl_s = 0;
};

struct ReplyFlags {
  bool authoritative = false;
  bool truncated = false;
  bool recursion_available = false;
  Rcode rcode = Rcode::NoError;
};

class Writer {
 public:
  // Clears `out`. `limit` is the largest message in bytes, OPT included; REQUIRES limit >= kUdpPlainMax.
  // with_edns: finish() adds OPT, and room for it is kept back.
  Writer(Bytes& out, std::size_t limit, bool with_edns);
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // REQUIRES called once, before any record. A question always fits.
  void question(const Question& question);

  // Address records: 4 bytes make A, 16 bytes AAAA. REQUIRES one of these sizes.
  [[nodiscard]] bool add_address(Section section, Owner owner, std::uint32_t ttl_s, ByteView address);
  // The place of the target in the message if later records can point to it, else 0; empty if it did not fit.
  [[nodiscard]] std::optional<std::uint16_t> add_srv(Owner owner, std::uint32_t ttl_s, const Srv& srv,
                                                     const Name& target);
  // REQUIRES type is NS, CNAME or PTR. Result as add_srv.
  [[nodiscard]] std::optional<std::uint16_t> add_name(Section section, Owner owner, Type type, std::uint32_t ttl_s,
                                                      const Name& target);
  // Text is cut into strings of 255 bytes; at most 4,080 bytes of it are used.
  [[nodiscard]] bool add_txt(Section section, Owner owner, std::uint32_t ttl_s, std::string_view text);
  [[nodiscard]] bool add_soa(Section section, Owner owner, std::uint32_t ttl_s, const Soa& soa);

  [[nodiscard]] std::size_t records() const { return counts_[0] + counts_[1] + counts_[2]; }
  [[nodiscard]] std::size_t records(Section section) const { return counts_[static_cast<std::size_t>(section)]; }

  // Writes the header (id, opcode, RD and CD of the query come back, RFC 1035 section 4.1.1) and OPT. `udp_size` is
  // what we can receive. Without EDNS an extended rcode degrades to its low bits' neighbour FORMERR.
  void finish(const Header& query, const ReplyFlags& flags, std::uint16_t udp_size);

 private:
  struct Mark {
    std::size_t size;
    std::size_t targets;
  };
  [[nodiscard]] Mark mark() const { return {out_.size(), target_count_}; }
  void begin(Owner owner, Type type, std::uint32_t ttl_s);
  bool end(const Mark& start, Section section, std::size_t data_start);
  [[nodiscard]] std::uint16_t pointable(std::size_t offset) const;
  void put16(std::size_t value);
  void put_name(const Name& name, bool compress);
  void remember(const Name& name, std::size_t labels, std::size_t start);
  [[nodiscard]] std::optional<std::uint16_t> find(const Name& name, std::size_t first_label) const;
  [[nodiscard]] bool stands_at(ByteView suffix, std::size_t offset) const;

  Bytes& out_;
  std::size_t limit_;
  bool with_edns_;
  std::uint16_t question_count_ = 0;
  std::array<std::size_t, 3> counts_{};
  std::array<std::uint16_t, kCompressionTargets> targets_{};
  std::size_t target_count_ = 0;
};

}  // namespace mesh::dns
