// The planted bugs of the mutation proof: M(Name, "what is broken"). One row here, one `if (MESH_MUTANT(Name))` at the
// place in the product that it breaks; scripts/mutants then demands that a seed of the simulator finds it.
#pragma once

#define MESH_MUTANT_LIST(M)                                                                         \
  M(ReadsFromLocalState, "simulator's server: a read is answered without asking the core")          \
  M(RepeatsAppliedTwice, "simulator's state machine: the table of sessions is not looked at")       \
  M(SessionsNotInTables, "simulator's state machine: a restart or a snapshot forgets the sessions") \
  M(FlushReportedNotDone, "simulator's tables: a flush reports what it has not written")
