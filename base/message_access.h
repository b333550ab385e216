// For the codecs alone: walking over the elements of a field without knowing its type.
#pragma once

#include <string_view>
#include <type_traits>

#include "base/message.h"

namespace mesh {

// Calls visit(key, element) for each element of the member at `member`, in order; key is empty except in maps.
template <class Visit>
void each_element(const FieldRow& row, const void* member, Visit&& visit) {
  if (row.container == nullptr) return visit(std::string_view{}, member);
  row.container->each(member, &visit, [](void* context, std::string_view key, const void* element) {
    (*static_cast<std::remove_reference_t<Visit>*>(context))(key, element);
  });
}

// The place of a new element of the member at `member`; the member itself when it is one value.
inline void* add_element(const FieldRow& row, void* member, std::string_view key) {
  return row.container == nullptr ? member : row.container->add(member, key);
}

// Whether the member holds nothing that the wire would carry.
[[nodiscard]] bool is_empty_field(const FieldRow& row, const void* member);
[[nodiscard]] bool is_empty_message(const MessageTable& table, const void* message);

}  // namespace mesh
