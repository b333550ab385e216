// The compiled steer.bpf.c, an ELF object; embed.py writes the definition at build time. Any thread.
#pragma once

#include <span>

namespace mesh::steer {

[[nodiscard]] std::span<const unsigned char> built_in_program();

}  // namespace mesh::steer
