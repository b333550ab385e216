// Random messages of any field table, for tests that compare two codecs.
#pragma once

#include "base/message.h"
#include "base/message_access.h"
#include "base/rng.h"

namespace mesh {

// Sets about half of the fields; text is UTF-8. `depth` bounds nested messages.
inline void fill_random(const MessageTable& table, void* message, Rng& rng, int depth = 3);

inline void fill_random_element(const FieldRow& row, void* element, Rng& rng, int depth) {
  switch (row.kind) {
    case FieldKind::Message: fill_random(row.element->message(), element, rng, depth - 1); return;
    case FieldKind::Text: row.element->set_text(element, std::string(rng.below(200), 'x') + "\xc3\xa4"); return;
    case FieldKind::Blob: row.element->set_text(element, Bytes(1 + rng.below(4), static_cast<char>(rng.next()))); return;
    case FieldKind::Enum: {
      const auto rows = row.element->enumeration().rows;
      static_cast<void>(row.element->store(element, static_cast<std::uint64_t>(rows[rng.below(rows.size())].value)));
      return;
    }
    default:
      // Fewer bits until the value fits the type; negative ones for signed kinds.
      for (std::uint64_t value = rng.next(); !row.element->store(element, value);) value >>= 1 + rng.below(8);
  }
}

inline void fill_random(const MessageTable& table, void* message, Rng& rng, int depth) {
  for (const FieldRow& row : table.rows) {
    if (rng.below(2) == 0 || (depth == 0 && row.kind == FieldKind::Message)) continue;
    const std::uint64_t count = row.shape == FieldShape::One || row.shape == FieldShape::Optional ? 1 : rng.below(4);
    for (std::uint64_t i = 0; i < count; ++i) {
      void* element = add_element(row, row.in(message), std::string(1, static_cast<char>('a' + rng.below(26))));
      fill_random_element(row, element, rng, depth);
    }
  }
}

}  // namespace mesh
