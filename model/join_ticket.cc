#include "model/join_ticket.h"

#include "base/base64.h"
#include "base/hash.h"
#include "base/uuid.h"

namespace mesh::model {

MESH_MESSAGE_TABLE(JoinTicket, MESH_JOIN_TICKET_FIELDS)

namespace {

constexpr std::size_t kHashBytes = 32;
constexpr std::size_t kChecksumBytes = 8;
constexpr std::string_view kSpace = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

Bytes checksum(ByteView bytes) {
  Bytes out;
  append_be64(out, xxh3_64(bytes));
  return out;
}

// mesh2., mesh17.: tokens of releases to come.
bool is_later(std::string_view text) {
  constexpr std::string_view name = "mesh";
  if (!text.starts_with(name)) return false;
  const std::size_t end = text.find_first_not_of("0123456789", name.size());
  return end != std::string_view::npos && end > name.size() && text[end] == '.';
}

Status check_parts(const JoinTicket& ticket) {
  const auto bad = [](std::string_view what) {
    return error(Code::Invalid, "the join token carries {}; make a new one with 'meshctl token join'", what);
  };
  if (!Uuid::parse(ticket.cluster_id).ok()) return bad("no cluster id");
  if (!Uuid::parse(ticket.token_id).ok()) return bad("no token id");
  if (ticket.datacenter.empty() || ticket.domain.empty()) return bad("no datacenter or no domain");
  if (ticket.servers.empty() || ticket.servers.size() > kJoinTicketServersMax) return bad("no usable list of servers");
  if (ticket.ca_key_hash.size() != kHashBytes) return bad("no hash of the cluster's key");
  if (ticket.secret.size() != kJoinSecretBytes) return bad("no secret");
  return {};
}

}  // namespace

std::string JoinTicket::text() const {
  Bytes bytes = encode(*this);
  bytes += checksum(bytes);
  return std::string(kJoinTicketPrefix) + base64url_encode(bytes);
}

Result<JoinTicket> JoinTicket::parse(std::string_view text) {
  const std::string_view token = trimmed(text);
  if (token.empty()) return error(Code::Invalid, "the join token is empty");
  if (!token.starts_with(kJoinTicketPrefix)) {
    if (is_later(token)) return error(Code::Unsupported, "the join token is of a later release than this program");
    return error(Code::Invalid, "this is no join token: those begin with \"{}\"", kJoinTicketPrefix);
  }
  if (token.size() > kJoinTicketTextMax) return error(Code::Invalid, "the join token is longer than {} bytes", kJoinTicketTextMax);
  const Result<Bytes> bytes = base64url_decode(token.substr(kJoinTicketPrefix.size()));
  const std::size_t size = bytes.ok() ? bytes->size() : 0;
  if (size < kChecksumBytes || checksum(ByteView(*bytes).substr(0, size - kChecksumBytes)) != bytes->substr(size - kChecksumBytes)) {
    return error(Code::Invalid, "the join token is cut short or damaged: copy the whole line");
  }
  Result<JoinTicket> ticket = decode<JoinTicket>(ByteView(*bytes).substr(0, size - kChecksumBytes));
  if (!ticket.ok()) return error(Code::Invalid, "the join token is damaged: {}", ticket.error().message);
  MESH_TRY_STATUS(check_parts(*ticket));
  return ticket;
}

}  // namespace mesh::model
