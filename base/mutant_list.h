// The planted bugs of the mutation proof: M(Name, "what is broken"). One row here, one `if (MESH_MUTANT(Name))` at the
// place in the product that it breaks; scripts/mutants then demands that a seed of the simulator finds it.
#pragma once

#define MESH_MUTANT_LIST(M) \
  M(VoteGivenTwice, "core: a second candidate of a term gets the vote, too") \
  M(VoteNotPersisted, "core: the vote stays in memory") \
  M(VoteForShorterLog, "core: the candidate's log is not compared") \
  M(DamagedVotes, "core: a server with a damaged log votes") \
  M(VoteWhileLeaderHeard, "core: votes are given while the leader is heard") \
  M(ElectedByHalf, "core: half of an even number of voters elects") \
  M(QuorumOneShort, "core: one server less than a majority commits and confirms") \
  M(OldTermCommitted, "core: entries of an older term are committed by counting") \
  M(OwnDiskNotAwaited, "core: the leader counts its own entries before they are durable") \
  M(AckBeforeDurable, "core: a follower acknowledges before the write") \
  M(AckOutlivesReset, "core: entries that a snapshot's installation drops are acknowledged later") \
  M(AppliedBeforeDurable, "core: entries are applied that this disk does not hold") \
  M(PreviousNotChecked, "core: the term of the entry before an append is not compared") \
  M(DamagedLogTrusted, "core: what a damaged log holds below the tables' index counts as committed") \
  M(DamagedCommits, "core: a damaged log takes the commit index of a leader that does not know of the damage") \
  M(RepairUnheard, "core: a leader waits for the one acknowledgement that ends a repair") \
  M(RemovedNeverCampaigns, "core: a server whose removal is not committed starts no election") \
  M(TailNotCut, "core: a conflicting tail of the log is kept") \
  M(CommitBeyondMatch, "core: the leader's commit index is taken beyond what matches") \
  M(ReadWithoutQuorum, "core: a read index needs no answers") \
  M(ReadRoundReused, "core: answers to an earlier round confirm a read") \
  M(ReadBeforeOwnTerm, "core: reads are taken before an entry of the term is committed") \
  M(ReadNotAwaitingApply, "core: a read is served when its index is committed, not applied") \
  M(LeaseKeptInTransfer, "core: a transfer does not void the lease") \
  M(LeaseTooLong, "core: the lease lasts twice the election timeout") \
  M(LeaseBehindCommit, "core: lease reads while committed entries are not applied") \
  M(ChangeBeforeOwnTerm, "core: members are changed before an entry of the term is committed") \
  M(ChangeBeforeLastCommitted, "core: members are changed while the change before is not committed") \
  M(RemovedLeaderStays, "core: a leader that removed itself goes on") \
  M(SnapshotWithoutConfiguration, "core: an installed snapshot leaves the old configuration in force") \
  M(LogNotSynced, "log: no fdatasync behind the records") \
  M(ControlNotSynced, "log: no fdatasync behind term, vote and base") \
  M(TruncationNotWritten, "log: a cut is not recorded") \
  M(ChecksumNotChecked, "log: the checksum of a record is not looked at") \
  M(ReadsFromLocalState, "simulator's server: a read is answered without asking the core") \
  M(RottenReadRetried, "simulator's server: an entry that rotted while it ran is read again and again") \
  M(RepeatsAppliedTwice, "simulator's state machine: the table of sessions is not looked at") \
  M(SessionsNotInTables, "simulator's state machine: a restart or a snapshot forgets the sessions") \
  M(FlushReportedNotDone, "simulator's tables: a flush reports what it has not written") \
  M(MemberRowFirst, "members: a server's row goes before Raft has let it go") \
  M(MemberNotLetGo, "members: Raft does not let a server go that leaves") \
  M(MemberQuorumNotAsked, "members: a removal does not ask whether the others are a majority") \
  M(MemberLiveUnheard, "members: the beginning of a leadership is a sign of life of everybody") \
  M(HealthForgotten, "health: a new leader forgets what gossip told before") \
  M(HealthDoubtsForEver, "health: a leader that doubts itself does not stop") \
  M(GossipRumorsNeverEnd, "gossip: a rumor is sent for ever") \
  M(GossipOldNewsTaken, "gossip: an alive rumor of an older incarnation is believed") \
  M(GossipRefutesUnchanged, "gossip: a refutation keeps the incarnation")
