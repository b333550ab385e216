"""Rule "calls": what our code does not call or name, and where.

CORES is the list of protocol cores (STYLE section 5): no clock, no I/O, no thread, no log. Whoever adds a core adds its
files here. CLOCKLESS code does blocking I/O through an interface that the simulator replaces, and must not see time.
"""
import fnmatch
import re

from functions import functions
from tree import CODE, Finding, code_with_directives, includes, line_of

CORES = [
    "raft/*",
    "gossip/*",
    "model/*",
    # The log runs in the simulator on a simulated disk: it reaches the real one through storage/disk.h only.
    "storage/log_*", "storage/segment_*", "storage/hard_state*", "storage/base_format*",
    "server/apply*", "server/state*", "server/kv_table*", "server/transaction*",
    "agent/identity/renewal*", "agent/local_state*", "agent/record_file*", "agent/sync*", "agent/checks/status*", "agent/checks/target*",
    "agent/dns/answer*", "agent/dns/locate*", "agent/dns/message*", "agent/dns/name*", "agent/dns/resolve*",
    "agent/dns/writer*", "agent/dns/*zone*",
    "agent/proxy/balance*", "agent/proxy/retry*", "agent/proxy/breaker*", "agent/proxy/route*", "agent/proxy/authorize*",
    "agent/proxy/candidates*", "agent/proxy/peer*", "agent/proxy/preface*", "agent/proxy_feed*",
    "net/http1/parse*", "net/http1/codec*", "net/tls/handshake_schedule*",
]
EXCEPT = ["gossip/driver*", "raft/driver*",
          "model/config*",       # reads the files of /etc/meshd
          "tests/sim/main.cc"]   # tells how long a run took
CLOCKLESS = ["storage/*", "tests/sim/*"]

CORE_INCLUDES = re.compile(
    r"base/(clock|log|file|fd|thread|mailbox|metrics)\.h|thread|mutex|condition_variable|random|future|iostream|fstream|"
    r"filesystem|unistd\.h|fcntl\.h|poll\.h|sys/socket\.h|sys/file\.h|uv\.h|ctime|time\.h|clocale|locale")

_CALL = r"(?<![\w.>:])(?:(?:std)?::)?"  # a free function, not a member and not part of a longer name


def _call(names):
    return re.compile(_CALL + r"(?:" + names + r")\s*\(")


def in_product(path):
    return not path.startswith(("tests/", "bench/"))


def anywhere(_path):
    return True


def outside_base(path):
    return not path.startswith("base/")


def matches_any(path, patterns):
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


def is_core(path):
    return matches_any(path, CORES) and not matches_any(path, EXCEPT)


def sees_no_clock(path):
    return matches_any(path, CORES + CLOCKLESS) and not matches_any(path, EXCEPT)


# (pattern, where it is banned, what to use)
BANNED = [
    (_call("assert"), anywhere, "assert: use CHECK, CONTAIN or DCHECK"),
    (_call("s?rand|s?random|drand48|rand_r"), anywhere, "unseeded random numbers: take an Rng&"),
    (re.compile(r"\bstd::(random_device|mt19937(_64)?|default_random_engine)\b"), anywhere, "take an Rng& (net/crypto for secrets)"),
    (_call("sleep|usleep|nanosleep|clock_nanosleep|(this_thread::)?sleep_(for|until)"), anywhere, "sleeping: wait for an event or a timer"),
    (re.compile(r"\bsleep_(for|until)\b"), anywhere, "sleeping: wait for an event or a timer"),
    (re.compile(r"\b(system|steady|high_resolution)_clock\b"), anywhere, "clocks: base/clock.h has the two we use"),
    (re.compile(_CALL + r"(?:clock_gettime\s*\(|gettimeofday\s*\(|time\s*\(\s*(?:nullptr|NULL|0|&))"), lambda path: path != "base/clock.cc", "clocks: base/clock.h has the two we use"),
    (re.compile(r"\b(mono|wall)_now\s*\("), sees_no_clock, "a core receives time as a value"),
    (re.compile(r"\bLOG_(DEBUG|INFO|WARN|ERROR)\b"), is_core, "a core does not log: its driver does"),
    (re.compile(r"\bstd::(jthread|thread|(recursive_|shared_|timed_)?mutex|condition_variable(_any)?|lock_guard|unique_lock|"
                r"scoped_lock|shared_lock|async|future|promise|counting_semaphore|binary_semaphore|latch|barrier)\b"),
     outside_base, "threads and locks stay in base/: Thread, Mailbox, Monitor"),
    (re.compile(r"\.detach\s*\(\s*\)"), anywhere, "detached threads: a Thread has an owner that joins it"),
    (re.compile(r"\bco_(await|return|yield)\b"), anywhere, "coroutines: GCC 12 destroys temporaries twice (STYLE section 6)"),
    (re.compile(r"\bstd::(cout|cerr|clog)\b"), in_product, "streams: log, or fmt::print in cli/"),
]
_BANNED_INCLUDES = [
    (re.compile(r"cassert|assert\.h"), anywhere, "assert: use base/check.h"),
    (re.compile(r"iostream"), in_product, "<iostream>: log, or fmt::print in cli/"),
    (CORE_INCLUDES, is_core, "a core does no I/O and knows no clock, thread or log"),
    (re.compile(r"base/clock\.h"), sees_no_clock, "a core receives time as a value"),
]

_THROW = re.compile(r"\bthrow\b")
_TODO = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b")
_TODO_WITH_KIND = re.compile(r"\bTO" r"DO\((?:soon|someday|perf|security|cleanup)\)")


def _check_calls(path, text):
    code = code_with_directives(text)
    for pattern, applies, advice in BANNED:
        if applies(path):
            for match in pattern.finditer(code):
                yield Finding(path, line_of(code, match.start()), "calls", advice)


def _check_throw(path, text):
    """A throw in a consteval function never runs: it is how such a function refuses to compile."""
    code = code_with_directives(text)
    lines = [line_of(code, match.start()) for match in _THROW.finditer(code)]
    if not lines or not in_product(path):
        return
    compile_time = [f for f in functions(path, text) if re.search(r"\bconsteval\b", f.head)]
    for line in lines:
        if not any(f.holds(line) for f in compile_time):
            yield Finding(path, line, "calls", "our code does not throw: return a Result")


def _check_includes(path, text):
    for line, _, name in includes(text):
        for pattern, applies, advice in _BANNED_INCLUDES:
            if applies(path) and pattern.fullmatch(name):
                yield Finding(path, line, "calls", f"{name}: {advice}")


def _check_todo(path, text):
    for match in _TODO.finditer(text):
        if not _TODO_WITH_KIND.match(text, match.start()):
            yield Finding(path, line_of(text, match.start()), "calls",
                          "a note for later carries a kind: soon, someday, perf, security, cleanup")


def check(tree):
    findings = []
    for path, text in tree.cpp().items():
        findings += _check_calls(path, text)
        findings += _check_throw(path, text)
        findings += _check_includes(path, text)
    for path, text in sorted(tree.items()):
        if path.endswith(CODE) or path.startswith("scripts/"):
            findings += _check_todo(path, text)
    return findings
