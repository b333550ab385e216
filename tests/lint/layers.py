"""Rule "layers": who may include whom (STYLE section 1), and which folder each third-party header stays in.

To add a library: one line in WALLS. To add a folder: one line in MAY_INCLUDE.
"""
import fnmatch
import re

from tree import Finding, includes

# The folder itself is always allowed. agent/proxy is a layer of its own, called proxy.
MAY_INCLUDE = {
    "base": [],
    "model": ["base"],
    "net": ["base"],
    "gossip": ["base"],
    "raft": ["base"],
    "storage": ["base", "raft"],
    "proxy": ["base", "model", "net"],
    "server": ["base", "model", "net", "gossip", "raft", "storage"],
    "agent": ["base", "model", "net", "gossip", "proxy"],
    "cli": ["base", "model", "net"],
    "daemon": ["base", "model", "net", "gossip", "raft", "storage", "proxy", "server", "agent", "cli"],
}
# Files that may include more than their folder.
EXTRA = [("gossip/driver*", ["net"])]
EVERYTHING = {"tests", "bench"}  # include anything of ours and of others; nobody includes them

# Header pattern -> where it may be included. CLI11 is for one file only.
WALLS = [
    (r"uv\.h|uv/.*", ["net/*"]),
    (r"(mbedtls|psa|nettle)/.*|(intel-)?ipsec-mb\.h|gmp\.h", ["net/*"]),
    (r"llhttp\.h", ["net/*"]),
    (r"nghttp2/.*", ["net/*"]),
    (r"rocksdb/.*", ["storage/*"]),
    (r"rapidjson/.*", ["base/json*"]),
    (r"yaml-cpp/.*", ["base/yaml*"]),
    (r"xxhash\.h", ["base/hash.cc"]),
    (r"CLI/.*", ["cli/*"]),
    (r"bpf/.*|linux/bpf\.h", ["daemon/steer/*"]),
]
ONE_FILE_ONLY = re.compile(r"CLI/.*")
FREE = re.compile(r"fmt/.*")
# C++ headers have no dot; of the system we take what POSIX and Linux name.
SYSTEM = re.compile(
    r"[a-z_]+|(sys|linux|asm|arpa|net|netinet|netpacket|bits)/[\w/]+\.h|"
    r"(dirent|dlfcn|endian|errno|execinfo|fcntl|fnmatch|fts|getopt|glob|grp|ifaddrs|limits|malloc|mntent|netdb|poll|pthread|"
    r"pwd|resolv|sched|sd-.*|semaphore|signal|spawn|stdio|stdlib|string|strings|syslog|termios|time|ucontext|unistd|utime|"
    r"byteswap|stdint|stddef|stdbool)\.h")


def layer_of(path):
    if path.startswith("agent/proxy/"):
        return "proxy"
    return path.split("/", 1)[0] if "/" in path else ""


def allowed_layers(path):
    allowed = [layer_of(path)] + MAY_INCLUDE.get(layer_of(path), [])
    for pattern, more in EXTRA:
        if fnmatch.fnmatch(path, pattern):
            allowed += more
    return allowed


def _check_ours(tree, path, line, name):
    if name not in tree:
        return Finding(path, line, "layers", f'"{name}" is no file; includes are written from the root')
    target = layer_of(name)
    if target in EVERYTHING and layer_of(path) not in EVERYTHING:
        return Finding(path, line, "layers", f"{target}/ is included by nobody outside tests")
    if layer_of(path) in EVERYTHING or target in allowed_layers(path):
        return None
    return Finding(path, line, "layers", f"{layer_of(path)} may not include {target} (STYLE section 1)")


def _check_foreign(path, line, name):
    if layer_of(path) in EVERYTHING or FREE.fullmatch(name):
        return None
    for pattern, places in WALLS:
        if re.fullmatch(pattern, name):
            if any(fnmatch.fnmatch(path, place) for place in places):
                return None
            return Finding(path, line, "layers", f"<{name}> stays behind {' '.join(places)}")
    if SYSTEM.fullmatch(name):
        return None
    return Finding(path, line, "layers", f"<{name}> has no wall yet: name its place in tests/lint/layers.py")


def _check_single(users):
    return [Finding(path, line, "layers", f"<{name}> belongs in one file only, and {users[0][0]} has it")
            for path, line, name in users[1:]]


def check(tree):
    findings, single_users = [], []
    for path, text in tree.cpp().items():
        if layer_of(path) not in MAY_INCLUDE and layer_of(path) not in EVERYTHING:
            findings.append(Finding(path, 0, "layers", "C++ outside the folders that tests/lint/layers.py knows"))
        for line, quoted, name in includes(text):
            if ONE_FILE_ONLY.fullmatch(name) and path not in [user[0] for user in single_users]:
                single_users.append((path, line, name))
            found = _check_ours(tree, path, line, name) if quoted else _check_foreign(path, line, name)
            if found:
                findings.append(found)
    return findings + _check_single(single_users)
