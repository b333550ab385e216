// A command of any bytes is refused, or it is applied alike by two state machines, the second of which was
// loaded from the rows of the first. Input: length-prefixed payloads (one byte times 8, then that many
// bytes), applied in order.
#include <map>

#include "base/bytes.h"
#include "base/check.h"
#include "model/command.h"
#include "server/state_machine.h"

namespace {

using mesh::Bytes;
using mesh::ByteView;
using Rows = std::map<std::pair<std::uint32_t, Bytes>, Bytes>;

void merge(Rows& rows, const std::vector<mesh::raft::RowWrite>& writes) {
  for (const mesh::raft::RowWrite& row : writes) {
    if (row.value) {
      rows[{row.table, row.key}] = *row.value;
    } else {
      rows.erase({row.table, row.key});
    }
  }
}

void load(mesh::server::StateMachine& machine, const Rows& rows, std::uint64_t index) {
  machine.begin_load();
  for (const auto& [place, value] : rows) {
    const mesh::Status status = machine.load({place.first, place.second, value});
    CHECK(status.ok(), "a row that a command made does not load: {}", status.error().message);
  }
  CHECK(machine.end_load(mesh::raft::Index(index)).ok());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ByteView in(reinterpret_cast<const char*>(data), size);
  mesh::server::StateMachine machine;
  Rows rows;
  std::uint64_t index = 0;
  while (!in.empty()) {
    const std::size_t length = static_cast<std::uint8_t>(in.front()) * std::size_t{8};
    in.remove_prefix(1);
    const ByteView payload = in.substr(0, length);
    in.remove_prefix(payload.size());
    if (!mesh::model::decode_command(payload).ok()) continue;
    merge(rows, machine.apply(mesh::raft::Index(++index), payload).rows);
  }
  mesh::server::StateMachine second;
  load(second, rows, index);
  CHECK(machine.state().hash() == second.state().hash(), "a state differs from the one that its rows make");
  return 0;
}
