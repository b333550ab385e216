// What a gossip core wants done. The driver carries out all of it at once. Values.
#pragma once

#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "gossip/envelope.h"
#include "gossip/member.h"
#include "gossip/types.h"

namespace mesh::gossip {

struct SendPacket {
  PeerAddress to;
  Bytes data;  // at most kPacketBytesMax
};

// Connect, send `data`, half-close, read the answer with StreamDecoder(Answer, id), close. Answer StreamAnswer or
// StreamFailed, at `deadline` (by the clock of step) at the latest.
struct StreamCall {
  StreamId id;
  PeerAddress to;
  Bytes data;
  MonoTime deadline;
};

struct Actions {
  std::vector<SendPacket> packets;
  std::vector<StreamCall> calls;
  std::optional<Bytes> answer;  // to the StreamQuestion of this step; none: close the connection
  std::vector<MemberEvent> events;
  bool left = false;            // the good-bye has been spread: stop now
};

}  // namespace mesh::gossip
