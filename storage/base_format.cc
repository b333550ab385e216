#include "storage/base_format.h"

#include "raft/configuration.h"

namespace mesh::storage {
namespace {
constexpr std::size_t kFixedBytes = 28;
}

void append_log_base(Bytes& out, const raft::LogBase& base) {
  const Bytes configuration = raft::encode_configuration(base.configuration);
  append_be64(out, base.position.index.value());
  append_be64(out, base.position.term.value());
  append_be64(out, base.configuration_index.value());
  append_be32(out, static_cast<std::uint32_t>(configuration.size()));
  out.append(configuration);
}

Result<raft::LogBase> decode_log_base(ByteView bytes) {
  if (bytes.size() < kFixedBytes) return error(Code::Corrupt, "log base of {} bytes", bytes.size());
  const std::size_t length = read_be32(bytes.substr(24, 4));
  if (length > bytes.size() - kFixedBytes) return error(Code::Corrupt, "configuration of {} bytes", length);
  MESH_TRY(configuration, raft::decode_configuration(bytes.substr(kFixedBytes, length)));
  raft::LogBase base;
  base.position.index = raft::Index(read_be64(bytes));
  base.position.term = raft::Term(read_be64(bytes.substr(8)));
  base.configuration_index = raft::Index(read_be64(bytes.substr(16)));
  base.configuration = std::move(configuration);
  return base;
}

}  // namespace mesh::storage
