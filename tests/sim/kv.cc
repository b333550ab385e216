#include "tests/sim/kv.h"

#include <utility>

#include "base/check.h"
#include "base/mutant.h"

namespace mesh::sim {
namespace {

constexpr std::size_t kCommandBytes = 1 + 4 + 5 * 8;
constexpr int kKnownBit = 1;
constexpr int kSwappedBit = 2;

Bytes be64(std::uint64_t number) {
  Bytes out;
  append_be64(out, number);
  return out;
}

}  // namespace

Bytes encode(const KvCommand& command) {
  Bytes out;
  out.reserve(kCommandBytes + command.filler);
  out.push_back(static_cast<char>(command.kind));
  append_be32(out, command.client);
  for (const std::uint64_t field :
       {command.number, command.key, command.expected, command.value, std::uint64_t{command.filler}}) {
    append_be64(out, field);
  }
  out.append(command.filler, 'f');
  return out;
}

Result<KvCommand> decode_kv_command(ByteView bytes) {
  if (bytes.size() < kCommandBytes) return error(Code::Corrupt, "command of {} bytes", bytes.size());
  KvCommand out;
  out.kind = static_cast<OpKind>(bytes[0]);
  out.client = read_be32(bytes.substr(1));
  out.number = read_be64(bytes.substr(5));
  out.key = read_be64(bytes.substr(13));
  out.expected = read_be64(bytes.substr(21));
  out.value = read_be64(bytes.substr(29));
  out.filler = static_cast<std::uint32_t>(read_be64(bytes.substr(37)));
  if (out.kind != OpKind::Write && out.kind != OpKind::Cas) return error(Code::Corrupt, "command kind {}", bytes[0]);
  if (bytes.size() != kCommandBytes + out.filler) return error(Code::Corrupt, "command of {} bytes", bytes.size());
  return out;
}

Result<KvResult> decode_kv_result(ByteView bytes) {
  if (bytes.size() != 9) return error(Code::Corrupt, "result of {} bytes", bytes.size());
  return KvResult{(bytes[0] & kKnownBit) != 0, (bytes[0] & kSwappedBit) != 0, read_be64(bytes.substr(1))};
}

raft::ApplyResult KvMachine::apply(raft::Index index, ByteView payload) {
  const auto command = decode_kv_command(payload);
  CHECK(command.ok(), "entry {}: {}", index.value(), command.error().message);
  raft::ApplyResult out;
  const KvResult result = apply(*command, out.rows);
  out.result.push_back(static_cast<char>((result.known ? kKnownBit : 0) | (result.swapped ? kSwappedBit : 0)));
  append_be64(out.result, result.shown);
  return out;
}

KvResult KvMachine::apply(const KvCommand& command, std::vector<raft::RowWrite>& rows) {
  Session& session = sessions_[command.client];
  if (!MESH_MUTANT(RepeatsAppliedTwice)) {
    if (command.number < session.number) return KvResult{.known = false};
    if (command.number == session.number) return KvResult{.swapped = session.swapped, .shown = session.shown};
  }
  std::uint64_t cell = read(command.key);
  const bool swapped = command.kind == OpKind::Write || cell == command.expected;
  if (swapped) {
    cell = registers_[command.key] = command.value;
    rows.push_back({kRegisters, be64(command.key), be64(command.value)});
  }
  session = Session{command.number, swapped, cell};
  const KvResult result{.swapped = swapped, .shown = cell};
  if (MESH_MUTANT(SessionsNotInTables)) return result;
  Bytes value = be64(command.number);
  value.push_back(swapped ? 1 : 0);
  append_be64(value, cell);
  rows.push_back({kSessions, be64(command.client), std::move(value)});
  return result;
}

std::uint64_t KvMachine::read(std::uint64_t key) const {
  const auto found = registers_.find(key);
  return found == registers_.end() ? kAbsent : found->second;
}

void KvMachine::begin_load() {
  registers_.clear();
  sessions_.clear();
}

Status KvMachine::load(const raft::Row& row) {
  if (row.table == kRegisters && row.key.size() == 8 && row.value.size() == 8) {
    registers_[read_be64(row.key)] = read_be64(row.value);
    return {};
  }
  if (row.table == kSessions && row.key.size() == 8 && row.value.size() == 17) {
    sessions_[read_be64(row.key)] =
        Session{read_be64(row.value), row.value[8] != 0, read_be64(ByteView(row.value).substr(9))};
    return {};
  }
  return error(Code::Corrupt, "row {} of table {}: {} bytes", to_hex(row.key), row.table, row.value.size());
}

Status KvMachine::end_load(raft::Index) { return {}; }

}  // namespace mesh::sim
