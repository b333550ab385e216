#include "server/transaction.h"

#include "base/hash.h"

namespace mesh::server {

Transaction::Transaction(State state, const Origin& origin) : state_(std::move(state)), origin_(origin) {
  changes_.index = origin.index;
}

Uuid Transaction::next_uuid() {
  Bytes bytes;
  append_be64(bytes, xxh3_64(origin_.random, 2 * uuids_));
  append_be64(bytes, xxh3_64(origin_.random, 2 * uuids_ + 1));
  ++uuids_;
  Uuid::Raw raw{};
  for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = static_cast<std::uint8_t>(bytes[i]);
  return Uuid::from_random(raw);
}

// A row that is written twice stands in the change set once, with its last value.
void Transaction::write(model::RowChange row) {
  const Status status = state_.change(row, changes_.index);
  CHECK(status.ok(), "a command made a bad row: {}", status.error().message);
  const auto [place, fresh] = places_.try_emplace({row.table_id, row.key}, changes_.rows.size());
  if (fresh) {
    changes_.rows.push_back(std::move(row));
  } else {
    changes_.rows[place->second].value = std::move(row.value);
  }
}

Transaction::Outcome Transaction::finish() && {
  state_.catalog().advance(changes_.index);
  return {std::move(state_), std::move(changes_)};
}

}  // namespace mesh::server
