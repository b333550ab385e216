#!/usr/bin/env python3
"""steer_test.py MESHD_STEER STEER_AGENT: the real helper, the real client, the real kernel, in network namespaces.

Needs root; without it the test fails, it does not pass by doing nothing. Nothing of the host is touched: the script runs
in a mount namespace of its own with its own bpf file system, and all traffic is inside namespaces that it removes.
"""
import contextlib
import ctypes
import json
import os
import platform
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from harness import Failed, Steps, run

AGENT_UID = 65534
WAIT_SECONDS_MAX = 15
MESH_NET_FILE = "/proc/self/ns/net"
CLONE_NEWNET = 0x40000000


def expect(condition, what):
    if not condition:
        raise Failed(what)


def wait_until(condition, what):
    end = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        expect(time.monotonic() < end, f"not within {WAIT_SECONDS_MAX} s: {what}")
        select.select([], [], [], 0.02)


class Process:
    """A program whose lines of stdout are kept; stderr goes to a file."""

    def __init__(self, words, log_path, uid=None):
        self.log_path = log_path
        self.log = open(log_path, "ab")
        user = {} if uid is None else {"user": uid, "group": uid, "extra_groups": []}
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=self.log, **user)
        self.lines = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.decode().rstrip("\n"))

    def wait_line(self, pattern, since=0):
        wait_until(lambda: any(re.search(pattern, line) for line in self.lines[since:]) or self.process.poll() is not None,
                   f"a line like {pattern!r}; there are {self.lines[since:]}")
        found = [line for line in self.lines[since:] if re.search(pattern, line)]
        expect(found, f"it ended with status {self.process.poll()}; {self.log_tail()}")
        return found[-1]

    def log_tail(self, lines=20):
        self.log.flush()
        with open(self.log_path, errors="replace") as log:
            return "".join(log.readlines()[-lines:])

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(WAIT_SECONDS_MAX)
        self.reader.join()
        self.process.stdout.close()
        self.log.close()
        return self.process.returncode


class Host:
    """A network namespace with a loopback device, and programs in it."""

    def __init__(self, name, folder, programs):
        self.name, self.folder, (self.meshd_steer, self.steer_agent) = name, folder, programs
        self.netns = f"steer{os.getpid()}{name}"
        self.bpf = f"{folder}/bpf/{name}"
        self.socket = f"{folder}/{name}.sock"
        self.processes = []
        run(["ip", "netns", "add", self.netns])
        run(["ip", "-n", self.netns, "link", "set", "lo", "up"])

    def close(self):
        for process in self.processes:
            with contextlib.suppress(OSError):
                process.stop(signal.SIGKILL)
        subprocess.run(["ip", "netns", "del", self.netns], check=False)

    def start(self, words, name, uid=None):
        # nsenter, not "ip netns exec": that hides the bpf file system behind a new /sys.
        process = Process(["nsenter", f"--net=/run/netns/{self.netns}", *words], f"{self.folder}/{self.name}.{name}.log", uid)
        self.processes.append(process)
        return process

    def flags(self):
        return ["--bpf-dir", self.bpf, "--socket", self.socket]

    def helper(self, *more):
        process = self.start([self.meshd_steer, "serve", *self.flags(), "--user", str(AGENT_UID), *more], "helper")
        process.wait_line("ready")
        return process

    def agent(self, listeners=3):
        words = ["setpriv", "--reuid", str(AGENT_UID), "--regid", str(AGENT_UID), "--clear-groups", self.steer_agent,
                 self.socket, str(listeners)]
        return self.start(words, "agent")

    def steered_agent(self, mode="sk_lookup"):
        agent = self.agent()
        agent.wait_line(f"mode={mode} ")
        return agent

    def steer(self, *words):
        return run(["nsenter", f"--net=/run/netns/{self.netns}", self.meshd_steer, *words, *self.flags()])[1]

    def status(self):
        return json.loads(self.steer("status", "--json"))

    @contextlib.contextmanager
    def inside(self):
        """This thread's sockets belong to the namespace."""
        with open(MESH_NET_FILE) as own, open(f"/run/netns/{self.netns}") as there:
            setns(there.fileno())
            try:
                yield
            finally:
                setns(own.fileno())

    def ask(self, address, port):
        """The first line that whoever listens there says; None if it is refused."""
        with self.inside():
            return first_line(address, port)

    def ask_dns(self, text):
        with self.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.settimeout(2)
            udp.connect(("127.128.0.53", 53))  # takes answers from there only
            udp.send(text.encode())
            try:
                return udp.recv(2048).decode()
            except ConnectionRefusedError:
                return None


def setns(descriptor):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET) != 0:
        raise Failed(f"setns: {os.strerror(ctypes.get_errno())}")


def first_line(address, port):
    try:
        with socket.create_connection((address, port), timeout=3) as stream:
            return stream.makefile().readline().rstrip("\n")
    except ConnectionRefusedError:
        return None


def other_program(host, port):
    """A program that binds 0.0.0.0 and [::], as most do; answers "other"."""
    with host.inside():
        four = socket.create_server(("0.0.0.0", port))
        six = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=False)
    def serve(listener):
        with contextlib.suppress(OSError):
            while True:
                stream, _ = listener.accept()
                with stream:
                    stream.sendall(b"other\n")
    for listener in (four, six):
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
    def close():
        for listener in (four, six):
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
    return close


def expect_steered(host, address="127.128.0.5", port=80, uid=0):
    line = host.ask(address, port)
    expect(line and f"dialled={address}:{port} uid={uid} " in line, f"{address}:{port} answers {line!r}")
    return line


def step_any_port(host):
    lines = [expect_steered(host, address, port)
             for address, port in [("127.128.0.5", 80), ("127.128.0.5", 5432), ("127.191.255.254", 65535), ("127.130.1.1", 1)]]
    return lines[0]


def step_spread(host):
    seen = {re.match(r"listener=(\d)", host.ask("127.128.0.7", 1000 + n)).group(1) for n in range(60)}
    expect(seen == {"0", "1", "2"}, f"only listeners {seen} were used")
    return "60 connections reached all three listeners"


def step_other_programs(host):
    for _ in range(2):  # before and after a restart of the other program
        close = other_program(host, 80)
        expect_steered(host)
        expect(host.ask("127.0.0.1", 80) == "other", "127.0.0.1:80 does not reach the other program")
        expect(host.ask("::1", 80) == "other", "[::1]:80 does not reach the other program")
        expect(host.ask("127.64.0.1", 80) == "other", "an address outside the range was taken")
        close()
    expect_steered(host)
    return "0.0.0.0:80 and [::]:80 bound and bound again beside it"


def step_outside_dns(host):
    expect(host.ask_dns("question") == "dns question", "DNS over UDP")
    line = host.ask("127.128.0.53", 53)
    expect(line and line.startswith("dns dialled=127.128.0.53:53"), f"DNS over TCP answers {line!r}")
    # A program that takes all addresses of port 53 is not disturbed.
    with host.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("0.0.0.0", 53))
        expect(host.ask_dns("again") == "dns again", "DNS beside another program on port 53")
    return "connected UDP sockets get their answers from 127.128.0.53:53; TCP too"


def step_callers(host):
    with open("/proc/self/cgroup") as own:
        has_cgroup2 = any(line.startswith("0::") for line in own)
    for uid in (1000, 2000):
        code = ("import socket; s = socket.create_connection(('127.128.0.5', 80), 3); print(s.makefile().readline())")
        _, out, _ = run(["nsenter", f"--net=/run/netns/{host.netns}", "setpriv", "--reuid", str(uid), "--regid", str(uid),
                         "--clear-groups", "/usr/bin/python3", "-c", code])
        expect(f" uid={uid} " in out, f"a caller of user {uid} is told as {out!r}")
        expect(not has_cgroup2 or re.search(r"cgroup=[1-9]", out), f"no cgroup is told: {out!r}")
    return out.strip()


def step_agent_gone(host, agent):
    close = other_program(host, 80)
    agent.stop(signal.SIGKILL)
    began = time.monotonic()
    expect(host.ask("127.128.0.5", 80) is None, "a connection was not refused though no agent runs")
    took = time.monotonic() - began
    expect(took < 1, f"the refusal took {took:.1f} s")
    expect(host.ask_dns("nobody") is None, "DNS was answered though no agent runs")
    close()
    return f"refused after {took * 1000:.1f} ms, also with another program on 0.0.0.0:80"


def step_helper_killed(host, helper, agent):
    since = len(agent.lines)
    helper.stop(signal.SIGKILL)
    agent.wait_line("not running now", since)
    for _ in range(20):
        expect_steered(host)
    fresh = host.agent()  # cannot be handed over: steering stays with the one before
    fresh.wait_line("mode=listeners .*not running")
    expect_steered(host)
    fresh.stop()
    return "steering goes on without the helper"


def step_no_window(host, agent):
    """While the helper starts anew and the agent hands over, and while a second agent takes over, no connection fails."""
    failures, count, done = [], [0], threading.Event()
    def dial():
        with host.inside():
            while not done.is_set():
                count[0] += 1
                line = first_line("127.128.0.5", 80)
                if not line or not line.startswith("listener="):
                    failures.append(line)
    close = other_program(host, 80)
    thread = threading.Thread(target=dial)
    thread.start()
    since = len(agent.lines)
    helper = host.helper()
    agent.wait_line("by sk_lookup hint", since)
    for _ in range(3):
        new = host.steered_agent()
        agent.stop()
        agent = new
        # A helper that starts while one steers: replaced in one step.
        since = len(agent.lines)
        helper.stop()
        helper = host.helper()
        agent.wait_line("by sk_lookup hint", since)
    done.set()
    thread.join()
    close()
    expect(not failures, f"{len(failures)} of {count[0]} connections failed: {failures[:3]}")
    expect(count[0] > 50, f"only {count[0]} connections were made")
    return f"{count[0]} connections, none failed", helper, agent


def step_wrong_user(host):
    code = ("import socket; s = socket.socket(socket.AF_UNIX); s.connect('" + host.socket + "'); "
            "s.settimeout(3); print(len(s.recv(1)))")
    _, out, _ = run(["setpriv", "--reuid", "4321", "--regid", "4321", "--clear-groups", "/usr/bin/python3", "-c", code])
    expect(out.strip() == "0", f"user 4321 was not hung up on: {out!r}")
    return "hung up"




class Kernel:
    """Which BPF programs and maps of ours exist, by bpf(2): there is no command for it in the base system."""

    SYSCALL = {"x86_64": 321, "aarch64": 280}[platform.machine()]
    # get next id, get descriptor by id, offset of the name in the info structure, names
    KINDS = {"program": (11, 13, 64, {"steer"}), "map": (12, 14, 24, {"sockets", "active", "counters"})}

    def __init__(self):
        self.libc = ctypes.CDLL(None, use_errno=True)

    def bpf(self, command, attributes):
        return self.libc.syscall(self.SYSCALL, command, attributes, len(attributes))

    def name(self, get_descriptor, offset, identity):
        descriptor = self.bpf(get_descriptor, ctypes.create_string_buffer(struct.pack("II", identity, 0), 128))
        if descriptor < 0:
            return None  # gone meanwhile
        info = ctypes.create_string_buffer(256)
        self.bpf(15, ctypes.create_string_buffer(struct.pack("IIQ", descriptor, len(info), ctypes.addressof(info)), 128))
        os.close(descriptor)
        return info.raw[offset:offset + 16].split(b"\0")[0].decode()

    def ours(self):
        found = set()
        for kind, (get_next, get_descriptor, offset, names) in self.KINDS.items():
            identity = 0
            while True:
                attributes = ctypes.create_string_buffer(struct.pack("II", identity, 0), 128)
                if self.bpf(get_next, attributes) < 0:
                    break
                identity = struct.unpack_from("II", attributes.raw)[1]
                if self.name(get_descriptor, offset, identity) in names:
                    found.add((kind, identity))
        return found


def step_remove(host, helper, agent, before):
    agent.stop()
    expect(helper.stop() == 0, "the helper's exit status")
    expect(host.status()["Mode"] == "sk_lookup", "steering did not survive the helper's end")
    expect(len(Kernel().ours() - before) >= 4, "the test does not see the kernel's objects")
    host.steer("remove")
    wait_until(lambda: not Kernel().ours() - before, "programs and maps are freed")
    expect(not os.path.exists(host.bpf), f"{host.bpf} is left")
    expect(host.status()["Mode"] == "none", "status after remove")
    expect(not os.path.exists(host.socket), "the socket is left")
    _, tables, _ = run(["nsenter", f"--net=/run/netns/{host.netns}", "nft", "list", "tables"])
    expect(tables == "", f"nftables has {tables!r}")
    close = other_program(host, 80)
    expect(host.ask("127.128.0.5", 80) == "other", "the kernel still steers")
    close()
    host.steer("remove")  # once more is fine
    return "no pins, no tables, no programs or maps"


def step_two_hosts(one, two):
    helpers = [host.helper() for host in (one, two)]
    agents = [host.steered_agent() for host in (one, two)]
    for host in (one, two):
        expect_steered(host)
    agents[0].stop()
    expect(one.ask("127.128.0.5", 80) is None, "the first host's agent is gone but it answers")
    expect_steered(two)
    helpers[0].stop()
    one.steer("remove")
    expect_steered(two)
    # The other's folder is refused rather than taken over.
    stranger = one.start([one.meshd_steer, "serve", "--bpf-dir", two.bpf, "--socket", one.socket, "--mode", "sk_lookup"], "stranger")
    line = stranger.wait_line("ready")
    expect("another network namespace" in line, f"the folder of another namespace was taken: {line}")
    stranger.stop()
    expect_steered(two)
    agents[1].stop()
    helpers[1].stop()
    two.steer("remove")
    return "each steers its own"


def step_stale_folder(folder, programs):
    """A namespace that is gone leaves its pins; the next one with the same folder takes it over."""
    listeners = []
    for _ in range(2):
        host = Host("c", folder, programs)
        try:
            helper = host.helper()
            agent = host.steered_agent()
            listeners.append(expect_steered(host))
            agent.stop()
            helper.stop()
        finally:
            host.close()
    host = Host("c", folder, programs)
    host.steer("remove")
    expect(not os.path.exists(host.bpf), f"{host.bpf} is left")
    host.close()
    return "taken over"


def step_nftables(host):
    helper = host.helper("--mode", "nftables")
    expect(host.ask("127.128.0.5", 80) is None, "not refused before an agent came")
    agent = host.steered_agent("nftables")
    step_any_port(host)
    step_other_programs(host)
    step_spread(host)
    expect(host.ask_dns("question") == "dns question", "DNS over UDP")
    line = host.ask("127.128.0.53", 53)
    expect(line and line.startswith("dns dialled=127.128.0.53:53"), f"DNS over TCP answers {line!r}")
    step_agent_gone(host, agent)
    helper.stop()
    host.steer("remove")
    expect(host.status()["Mode"] == "none", "status after remove")
    return "any port, DNS, refusal, removal"


def step_no_bpffs(host):
    """Where no bpf file system is mounted the redirect is used, and the agent says why and what to try."""
    plain = f"{host.folder}/plain"
    os.mkdir(plain)
    words = [host.meshd_steer, "serve", "--bpf-dir", f"{plain}/meshd", "--socket", host.socket, "--user", str(AGENT_UID)]
    helper = host.start(words, "helper")
    helper.wait_line("mode nftables; .*not on a bpf file system")
    agent = host.agent()
    line = agent.wait_line("mode=nftables .*mount -t bpf")
    expect_steered(host)
    agent.stop()
    helper.stop()
    host.steer("remove")
    return line


def step_no_permission(host):
    """With no capability at all, declared upstreams are what is left."""
    words = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", host.meshd_steer, "serve", *host.flags(), "--user", str(AGENT_UID)]
    helper = host.start(words, "helper")
    helper.wait_line("mode none")
    agent = host.agent()
    line = agent.wait_line("mode=listeners .*CAP_BPF")
    agent.stop()
    helper.stop()
    host.steer("remove")
    return line


def step_few_capabilities(host):
    """What the unit grants is enough: CAP_BPF, CAP_NET_ADMIN and, for DNS over UDP, CAP_NET_RAW."""
    granted = "-all,+bpf,+net_admin,+net_raw"
    words = ["setpriv", "--bounding-set", granted, "--inh-caps", granted, host.meshd_steer, "serve", *host.flags(), "--user", str(AGENT_UID)]
    helper = host.start(words, "helper")
    helper.wait_line("mode sk_lookup")
    agent = host.steered_agent()
    expect_steered(host)
    expect(host.ask_dns("question") == "dns question", "DNS over UDP")
    agent.stop()
    helper.stop()
    host.steer("remove")
    return granted


def main_steps(steps, one, two):
    before = Kernel().ours()
    state = {"helper": one.helper(), "agent": one.steered_agent()}
    steps.step("any address and port of the range reaches the agent", lambda: step_any_port(one))
    steps.step("connections are spread over the listeners", lambda: step_spread(one))
    steps.step("other programs bind the same port on all addresses", lambda: step_other_programs(one))
    steps.step("DNS on 127.128.0.53:53", lambda: step_outside_dns(one))
    steps.step("the kernel tells who calls", lambda: step_callers(one))
    steps.step("another user may not talk to the helper", lambda: step_wrong_user(one))
    steps.step("an agent that is gone gives connection refused", lambda: step_agent_gone(one, state["agent"]))
    state["agent"] = one.steered_agent()
    steps.step("a new agent is steered to", lambda: step_any_port(one))
    steps.step("the helper is killed", lambda: step_helper_killed(one, state["helper"], state["agent"]))

    def no_window():
        told, state["helper"], state["agent"] = step_no_window(one, state["agent"])
        return told
    steps.step("helper and agent restart without a window", no_window)
    steps.step("remove leaves no trace", lambda: step_remove(one, state["helper"], state["agent"], before))
    steps.step("two network namespaces with folders of their own", lambda: step_two_hosts(one, two))
    steps.step("a folder of a namespace that is gone",
               lambda: step_stale_folder(one.folder, (one.meshd_steer, one.steer_agent)))
    steps.step("the fallback: nftables", lambda: step_nftables(one))
    steps.step("no bpf file system", lambda: step_no_bpffs(one))
    steps.step("no permission", lambda: step_no_permission(one))
    steps.step("the capabilities of the unit are enough", lambda: step_few_capabilities(one))


def main():
    if os.geteuid() != 0:
        sys.exit("steer_test.py needs root for network namespaces: run it as root (nothing was tested)")
    if os.environ.get("STEER_TEST_NAMESPACE") != "own":
        os.environ["STEER_TEST_NAMESPACE"] = "own"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])
    programs = [os.path.abspath(path) for path in sys.argv[1:3]]
    steps = Steps()
    with tempfile.TemporaryDirectory(prefix="steer") as folder:
        os.chmod(folder, 0o755)
        os.mkdir(f"{folder}/bpf")
        run(["mount", "-t", "bpf", "bpf", f"{folder}/bpf"])
        hosts = []
        try:
            hosts = [Host(name, folder, programs) for name in ("a", "b")]
            main_steps(steps, *hosts)
        finally:
            for host in hosts:
                host.close()
            run(["umount", f"{folder}/bpf"])
    steps.finish()


if __name__ == "__main__":
    main()
