#!/usr/bin/env python3
"""embed.py INPUT OUTPUT: a C++ file that holds the bytes of INPUT as mesh::steer::built_in_program()."""
import sys

with open(sys.argv[1], "rb") as source, open(sys.argv[2], "w") as out:
    data = source.read()
    out.write('#include "daemon/steer/built_in.h"\n\nnamespace mesh::steer {\n\nnamespace {\n\n')
    out.write("alignas(8) constexpr unsigned char kBytes[] = {\n")
    for at in range(0, len(data), 20):
        out.write("    " + ", ".join(str(byte) for byte in data[at:at + 20]) + ",\n")
    out.write("};\n\n}  // namespace\n\n")
    out.write("std::span<const unsigned char> built_in_program() { return kBytes; }\n\n}  // namespace mesh::steer\n")
