// MESH_MUTANT(Name): true in a test build (-DMESH_MUTANTS, meson option `mutants`) whose run planted that bug; the
// constant false in every product build, so nothing of it is left there. To plant one, start in base/mutant_list.h.
// The planted bug is chosen before the first step of a run and never changes during it: one thread.
#pragma once

#ifdef MESH_MUTANTS

#include <array>
#include <string_view>

#include "base/mutant_list.h"

namespace mesh {

#define MESH_MUTANT_ENUM(name, text) name,
enum class Mutant { None, MESH_MUTANT_LIST(MESH_MUTANT_ENUM) };
#undef MESH_MUTANT_ENUM

struct MutantRow {
  Mutant mutant;
  std::string_view name;
  std::string_view text;
};

#define MESH_MUTANT_ROW(name, text) MutantRow{Mutant::name, #name, text},
inline constexpr auto kMutants = std::to_array<MutantRow>({MESH_MUTANT_LIST(MESH_MUTANT_ROW)});
#undef MESH_MUTANT_ROW

inline Mutant planted_mutant = Mutant::None;

}  // namespace mesh

#define MESH_MUTANT(name) (::mesh::planted_mutant == ::mesh::Mutant::name)

#else

#define MESH_MUTANT(name) false

#endif
