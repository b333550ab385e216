"""Rule "headers": each header compiles alone, twice in a row, without the precompiled header (STYLE section 2).

Good results are remembered in a cache folder under a hash of the header, all it includes of ours, the compiler and the flags.
"""
import concurrent.futures
import hashlib
import os
import re
import shlex
import subprocess
from pathlib import Path

from tree import Finding, includes

PACKAGES = ["fmt", "libuv", "libnghttp2", "RapidJSON", "yaml-cpp", "libxxhash", "rocksdb"]
FLAGS = ["-std=c++20", "-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion", "-Wshadow", "-Werror", "-D_FILE_OFFSET_BITS=64",
         "-x", "c++", "-fsyntax-only", "-"]


def _package_flags():
    flags = []
    for package in PACKAGES:
        found = subprocess.run(["pkg-config", "--cflags", package], capture_output=True, text=True)
        if found.returncode == 0:
            flags += [re.sub(r"^-I", "-isystem", flag) for flag in shlex.split(found.stdout)]
    return flags


def _closure(tree, header):
    """The header and every file of ours that it includes, directly or not."""
    seen, waiting = set(), [header]
    while waiting:
        path = waiting.pop()
        if path in seen or path not in tree:
            continue
        seen.add(path)
        waiting += [name for _, quoted, name in includes(tree[path]) if quoted]
    return sorted(seen)


def _key(tree, header, command):
    digest = hashlib.sha256("\0".join(command + [header]).encode())
    for path in _closure(tree, header):
        digest.update(f"\0{path}\0{tree[path]}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _compile(root, header, command):
    source = f'#include "{header}"\n#include "{header}"\n'
    done = subprocess.run(command, cwd=root, input=source, capture_output=True, text=True)
    errors = [line for line in done.stderr.splitlines() if "error:" in line] or done.stderr.splitlines()
    return None if done.returncode == 0 else (errors[0] if errors else "the compiler failed")


def _check_one(root, tree, header, command, cache):
    if "#pragma once" not in tree[header]:
        return Finding(header, 0, "headers", "lacks #pragma once or another guard") if "#ifndef" not in tree[header] else None
    mark = Path(cache) / _key(tree, header, command) if cache else None
    if mark and mark.exists():
        return None
    error = _compile(root, header, command)
    if error is None:
        if mark:
            mark.touch()
        return None
    return Finding(header, 0, "headers", f"does not compile alone: {error}")


def check(tree, root, cache=None, compiler=None):
    compiler = compiler or shlex.split(os.environ.get("CXX", "g++").replace("ccache ", ""))
    version = subprocess.run(compiler + ["-dumpfullversion"], capture_output=True, text=True).stdout.strip()
    command = compiler + [f"-DMESH_LINT_COMPILER=\"{version}\"", f"-I{root}"] + _package_flags() + FLAGS
    if cache:
        Path(cache).mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        found = pool.map(lambda header: _check_one(root, tree, header, command, cache), tree.headers())
        return [finding for finding in found if finding]
