// What can happen to a gossip core. One event per call of Core::step. Values; the core takes what they own.
#pragma once

#include <memory>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "gossip/envelope.h"
#include "gossip/types.h"

namespace mesh::gossip {

// Time passed; nothing else happened. Useful at next_deadline(), harmless at any other time.
struct Tick {};

// A datagram; anything may be in it.
struct ReceivePacket {
  PeerAddress from;
  Bytes data;
};

// Someone connected and a StreamDecoder gave this question. Answered at once in Actions::answer, or refused by none.
struct StreamQuestion {
  StreamId id;
  StreamMessage message;
};

// The end of a StreamCall: exactly one of these two for each.
struct StreamAnswer {
  StreamId id;
  StreamMessage message;
};
struct StreamFailed {
  StreamId id;
  bool refused = false;  // the host said that nobody listens there (TCP reset in answer to the connect)
};

// Exchange tables with these; tried again while no other member is known. Replaces earlier seeds.
struct Join {
  std::vector<PeerAddress> seeds;
};

// Say good-bye; Actions::left when it has been spread. Others are answered meanwhile.
struct Leave {};

// Someone outside has reason to think that the member is gone (its stream to a server ended): probe it now, by all ways.
struct SuspectNow {
  NodeId id;
};

// What this member says of itself has changed. REQUIRES at most kAttributesBytesMax encoded.
struct SetAttributes {
  Attributes attributes;
};

// Takes effect at once. Keeps the cluster and datacenter. REQUIRES at least one key.
struct ReplaceSeal {
  std::shared_ptr<const Seal> seal;
};

using Event = std::variant<Tick, ReceivePacket, StreamQuestion, StreamAnswer, StreamFailed, Join, Leave, SuspectNow,
                           SetAttributes, ReplaceSeal>;

}  // namespace mesh::gossip
