#include "model/reason_code.h"

namespace mesh::model {

MESH_ENUM_TABLE(ReasonCode, MESH_REASON_CODE_VALUES)

ReasonCode reason_code_of(std::uint32_t number) {
  return enum_text(enum_table(ReasonCode{}), number).empty() ? ReasonCode::Internal : static_cast<ReasonCode>(number);
}

}  // namespace mesh::model
