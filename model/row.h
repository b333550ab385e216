// What every replicated row carries last: the Raft indexes at which it appeared and last changed. The state machine sets
// them; what clients send in their place is ignored.
#pragma once

#include "base/message.h"

#define MESH_ROW_FIELDS(F)                                                                                   \
  F(100, std::uint64_t, create_index, "CreateIndex", "index of the write that created the row", kOutput)     \
  F(101, std::uint64_t, modify_index, "ModifyIndex", "index of the last write that changed the row", kOutput)
