#include "tests/sim/replica.h"

#include "base/check.h"
#include "base/hash.h"
#include "tests/random_command.h"

namespace mesh::sim {
namespace {

constexpr std::size_t kRandomBytes = 32;

Bytes request_id_of(const KvCommand& request) {
  Bytes out;
  append_be64(out, request.client);
  append_be64(out, request.number);
  return out;
}

}  // namespace

Bytes make_payload(const KvCommand& registers, const model::Command& product) {
  const Bytes first = encode(registers);
  Bytes out;
  append_be32(out, static_cast<std::uint32_t>(first.size()));
  out.append(first);
  out.append(model::encode_command(product));
  return out;
}

void stamp(model::Command& command, WallTime now, Rng& rng) {
  command.time = now;
  command.random.clear();
  for (std::size_t i = 0; i < kRandomBytes; ++i) command.random.push_back(static_cast<char>(rng.below(256)));
}

model::Command product_command(const KvCommand& request, WallTime now, Rng& rng) {
  Rng of_request(request.value);
  model::Command out = random_command(of_request);
  if (of_request.below(4) != 0) out.request_id = request_id_of(request);
  stamp(out, now, rng);
  return out;
}

raft::ApplyResult Replica::apply(raft::Index index, ByteView payload) {
  CHECK(payload.size() >= 4, "payload of {} bytes", payload.size());
  const std::size_t length = read_be32(payload);
  raft::ApplyResult out = registers_.apply(index, payload.substr(4, length));
  raft::ApplyResult product = product_.apply(index, payload.substr(4 + length));
  result_hash_ = xxh3_64(product.result);
  for (raft::RowWrite& row : product.rows) out.rows.push_back(std::move(row));
  return out;
}

void Replica::begin_load() {
  registers_.begin_load();
  product_.begin_load();
}

Status Replica::load(const raft::Row& row) {
  return row.table >= KvMachine::kRegisters ? registers_.load(row) : product_.load(row);
}

Status Replica::end_load(raft::Index applied) {
  MESH_TRY_STATUS(registers_.end_load(applied));
  return product_.end_load(applied);
}

std::vector<raft::TableId> Replica::tables() {
  std::vector<raft::TableId> out;
  for (raft::TableId table = 1; table <= model::kTableLeaves.value(); ++table) out.push_back(table);
  out.push_back(KvMachine::kRegisters);
  out.push_back(KvMachine::kSessions);
  return out;
}

}  // namespace mesh::sim
