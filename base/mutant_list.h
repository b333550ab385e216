// The planted bugs of the mutation proof: M(Name, "what is broken"). One row here, one `if (MESH_MUTANT(Name))` at the
// place in the product that it breaks; scripts/mutants then demands that a seed of the simulator finds it.
#pragma once

#define MESH_MUTANT_LIST(M) \
  M(ReadsFromLocalState, "simulator's server: answers a read from its own state without asking the core")
