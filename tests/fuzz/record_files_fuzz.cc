// The agent's files of records. The bytes are read as a file, and, since hardly any change keeps a checksum right, as
// records that are put into a file first: each behind its length in two bytes. What is accepted is written and read
// again as the same.
#include <cstddef>
#include <cstdint>

#include "agent/catalog_cache.h"
#include "agent/local_store.h"
#include "agent/record_file.h"
#include "base/check.h"

using namespace mesh;
using namespace mesh::agent;

namespace {

constexpr std::string_view kCluster = "c";
const model::NodeId kNode("n");

Bytes file_of(std::string_view magic, ByteView bytes) {
  RecordFileWriter writer({.magic = magic});
  while (bytes.size() > 2) {
    const std::size_t wanted = static_cast<unsigned char>(bytes[0]) * std::size_t{256} + static_cast<unsigned char>(bytes[1]);
    const ByteView record = bytes.substr(2, wanted);
    if (!record.empty()) writer.add(record);
    bytes.remove_prefix(2 + record.size());
  }
  return writer.finish();
}

void read_catalog(ByteView file) {
  const auto cached = parse_catalog_cache(file, kCluster);
  if (!cached.ok()) return;
  const auto again = parse_catalog_cache(encode_catalog_cache(*cached, kCluster), kCluster);
  CHECK(again.ok() && again->catalog.table_hashes() == cached->catalog.table_hashes());
}

void read_local(ByteView file) {
  const auto stored = parse_local_store(file, kNode);
  if (!stored.ok()) return;
  model::Node node;
  node.id = kNode;
  LocalState local(node);
  (void)restore_local(*stored, stored->saved_at, local);
  const auto again = parse_local_store(encode_local_store(local, stored->saved_at), kNode);
  CHECK(again.ok());
  LocalState second(node);
  CHECK(restore_local(*again, stored->saved_at, second).empty());
  CHECK(second.services().size() == local.services().size() && second.checks().size() == local.checks().size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView bytes(reinterpret_cast<const char*>(data), size);
  read_catalog(bytes);
  read_local(bytes);
  read_catalog(file_of("meshcatl", bytes));
  read_local(file_of("meshlocl", bytes));
  return 0;
}
