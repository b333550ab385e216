// What a command must look like before a leader proposes it: names, sizes and counts. Rules may change
// between releases, because only the leader asks them; the state machine decides by state alone. Pure; any
// thread.
#pragma once

#include "base/result.h"
#include "model/check.h"
#include "model/command.h"
#include "model/service.h"

namespace mesh::server {

// The agent refuses the same ids and addresses, because one faulty row would hold up all rows of its node.
inline constexpr std::size_t kIdBytesMax = model::kCheckIdMax;  // of a service or check id
inline constexpr std::size_t kAddressBytesMax = model::kServiceAddressMax;
inline constexpr std::size_t kRegisterServicesMax = 4096;     // in one command
inline constexpr std::size_t kRegisterChecksMax = 16 * 1024;  // in one command
inline constexpr std::size_t kHashBytes = 32;                 // SHA-256
inline constexpr std::size_t kDescriptionBytesMax = 256;      // of a token
inline constexpr std::size_t kVerdictsMax = 512;              // on nodes' health, in one command
inline constexpr std::size_t kVerdictOutputMax = 256;         // bytes

// Code::Invalid, naming the field and what is wrong with it.
[[nodiscard]] Status validate(const model::Command& command);

}  // namespace mesh::server
