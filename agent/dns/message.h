// The DNS message format, reading side (RFC 1035 section 4, EDNS0 by RFC 6891).
//
// Glossary: a message has a header, one question, and three sections of records (answer, authority, additional); OPT is
// a pseudo-record of the additional section that carries EDNS. Everything here is a pure function over borrowed bytes:
// any thread, no state, nothing is kept.
//
// To read another record type start at Reader; to write one, at agent/dns/writer.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "agent/dns/name.h"
#include "base/bytes.h"

namespace mesh::dns {

inline constexpr std::size_t kHeaderSize = 12;
inline constexpr std::size_t kMessageMax = 65535;     // TCP; RFC 1035 section 4.2.2
inline constexpr std::size_t kUdpPlainMax = 512;      // without EDNS; RFC 1035 section 4.2.1
inline constexpr std::size_t kQueryRecordsMax = 16;   // records beside the question that a query may carry
inline constexpr std::uint16_t kClassIn = 1;
inline constexpr std::uint16_t kClassAny = 255;

enum class Type : std::uint16_t {
  A = 1,
  Ns = 2,
  Cname = 5,
  Soa = 6,
  Ptr = 12,
  Txt = 16,
  Aaaa = 28,
  Srv = 33,
  Opt = 41,
  Ixfr = 251,
  Axfr = 252,
  Any = 255,
};

enum class Rcode : std::uint16_t {
  NoError = 0,
  FormErr = 1,
  ServFail = 2,
  NxDomain = 3,
  NotImp = 4,
  Refused = 5,
  BadVers = 16,  // needs EDNS: its upper bits travel in OPT
};
[[nodiscard]] std::string_view rcode_name(Rcode rcode);

struct Header {
  std::uint16_t id = 0;
  std::uint16_t flags = 0;  // the second word as it is on the wire
  std::uint16_t question_count = 0;
  std::uint16_t answer_count = 0;
  std::uint16_t authority_count = 0;
  std::uint16_t additional_count = 0;

  [[nodiscard]] bool is_response() const { return (flags & 0x8000) != 0; }
  [[nodiscard]] unsigned opcode() const { return (flags >> 11) & 0xf; }
  [[nodiscard]] bool truncated() const { return (flags & 0x0200) != 0; }
  [[nodiscard]] bool recursion_desired() const { return (flags & 0x0100) != 0; }
  [[nodiscard]] bool checking_disabled() const { return (flags & 0x0010) != 0; }
};

struct Question {
  Name name;
  std::uint16_t type = 0;
  std::uint16_t klass = 0;
};

// A record whose data is left where it is: `data` is borrowed from the message, `data_offset` its place there.
struct Record {
  Name owner;
  std::uint16_t type = 0;
  std::uint16_t klass = 0;
  std::uint32_t ttl_s = 0;
  ByteView data;
  std::size_t data_offset = 0;
};

// A cursor over one message. A failed read leaves the cursor anywhere: give up on the message. Borrows `message`.
class Reader {
 public:
  explicit Reader(ByteView message, std::size_t offset = 0) : message_(message), at_(offset) {}

  [[nodiscard]] std::size_t offset() const { return at_; }
  [[nodiscard]] bool at_end() const { return at_ >= message_.size(); }

  [[nodiscard]] std::optional<std::uint16_t> u16();
  [[nodiscard]] std::optional<std::uint32_t> u32();
  [[nodiscard]] std::optional<Header> header();
  // A name, following compression pointers. Each pointer must lead before the place where the piece that holds it
  // began, so that a message of n bytes is walked in at most n steps; reserved label types are refused.
  [[nodiscard]] std::optional<Name> name();
  [[nodiscard]] std::optional<Question> question();
  [[nodiscard]] std::optional<Record> record();

 private:
  ByteView message_;
  std::size_t at_;
};

struct Edns {
  std::uint16_t udp_size = 0;  // what the sender can receive
  std::uint8_t version = 0;
  bool dnssec_ok = false;
};

// What to do with a packet that was read as a query.
enum class QueryFault : std::uint8_t {
  None,
  Silence,  // too short for a header, or a response: answering would invite loops and reflection
  FormErr,  // header read, the rest is malformed (the id is known)
  NotImp,   // another opcode than QUERY
};

struct Query {
  QueryFault fault = QueryFault::None;
  Header header;           // valid unless fault is Silence
  bool has_question = false;
  Question question;       // valid if has_question
  std::optional<Edns> edns;
};

// Never fails otherwise: every packet gets one of the four outcomes. FormErr also for other than one question
// (RFC 9619), more than one OPT, an OPT that is not owned by the root, more than kQueryRecordsMax records, and bytes
// after the last record.
[[nodiscard]] Query parse_query(ByteView packet);

}  // namespace mesh::dns
