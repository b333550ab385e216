// What two agents say to each other on mesh-tcp/1 before the program's bytes: docs/formats/preface.md. Values; any thread.
//
// Errors: Unsupported (version), Invalid (too long, a field over its bound or with control characters), Corrupt (does not
// decode). Any of them ends that connection with PROTOCOL_ERROR.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/message.h"
#include "base/result.h"
#include "model/reason_code.h"

namespace mesh::proxy {

inline constexpr std::string_view kMeshTcpAlpn = "mesh-tcp/1";
inline constexpr std::uint8_t kPrefaceVersion = 1;
inline constexpr std::size_t kPrefaceHeadBytes = 3;  // version, length
inline constexpr std::size_t kPrefaceMessageBytesMax = 4096;
inline constexpr std::size_t kPrefaceInstanceBytesMax = 512;
inline constexpr std::size_t kPrefacePortBytesMax = 255;
inline constexpr std::size_t kPrefaceAddressBytesMax = 64;
inline constexpr std::size_t kPrefaceTraceBytesMax = 128;
inline constexpr std::size_t kStatusTextBytesMax = 1024;
inline constexpr std::size_t kStatusRuleBytesMax = 128;

#define MESH_PREFACE_FIELDS(F)                                                                               \
  F(1, std::string, instance, "Instance", "id on the destination node")                                      \
  F(2, std::string, port, "Port", "name; empty: the main one", kOmitEmpty)                                   \
  F(3, std::string, source_address, "SourceAddress", "of the program that called; informs, proves nothing", kOmitEmpty) \
  F(4, std::string, traceparent, "Traceparent", "W3C trace context", kOmitEmpty)
struct Preface {
  MESH_MESSAGE(Preface, MESH_PREFACE_FIELDS)
};

#define MESH_PREFACE_STATUS_FIELDS(F)                                                                        \
  F(1, std::uint32_t, reason, "Reason", "model::ReasonCode; 0: connected")                                   \
  F(2, std::string, text, "Text", "for people", kOmitEmpty)                                                  \
  F(3, std::string, rule, "Rule", "id of the intention that refused", kOmitEmpty)
struct PrefaceStatus {
  MESH_MESSAGE(PrefaceStatus, MESH_PREFACE_STATUS_FIELDS)
};

// The whole frame. REQUIRES fields within their bounds for Preface; texts of a status are cut to them,
// its control characters become '?'.
[[nodiscard]] Bytes encode_preface(const Preface& preface);
[[nodiscard]] Bytes encode_status(PrefaceStatus status);

// Collects one frame from bytes as they come.
class FrameReader {
 public:
  // Takes what belongs to the frame off the front of `data`. True: the frame is whole, what is left in data is the
  // program's. Errors are final.
  [[nodiscard]] Result<bool> feed(ByteView& data);
  // REQUIRES that feed has said true.
  [[nodiscard]] Result<Preface> preface() const;
  [[nodiscard]] Result<PrefaceStatus> status() const;

 private:
  [[nodiscard]] std::size_t missing() const;
  Bytes frame_;
};

}  // namespace mesh::proxy
