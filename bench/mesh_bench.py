#!/usr/bin/env python3
"""Benchmarks of whole daemons on hosts of tests/e2e/hosts.py, each beside its peer in the same run. Called by scripts/bench.

    mesh_bench.py BUILD-FOLDER tcp|burst|writes|idle
"""

import json
import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "e2e"))
from harness import Failed, expect, run, wait_until  # noqa: E402
from hosts import Network  # noqa: E402
from mesh import MeshHost, Programs  # noqa: E402
from peers import Etcd, HaproxyPair, Nginx  # noqa: E402

ROUNDS = 3
BURSTS = (10, 100, 300, 1000)  # connections that start in one moment
OVERLOAD_SECONDS = 10


class Case:
    """One way from a client to a service: who is asked, and whose CPU it costs."""

    def __init__(self, name, address, port, daemons=(), host_header="web.mesh"):
        self.name, self.address, self.port, self.daemons, self.host_header = name, address, port, daemons, host_header
        self.results = {}

    def cpu(self):
        return sum(daemon.cpu_seconds() for daemon in self.daemons)

    def measure(self, load, kind, request, *options):
        before = self.cpu()
        result = load(self, request, *options)
        result["cpu"] = self.cpu() - before
        self.results.setdefault(kind, []).append(result)

    def median(self, kind, value):
        return statistics.median(value(result) for result in self.results[kind])

    def failures(self):
        return sum(result["failures"] for results in self.results.values() for result in results)


def loader(program, host):
    """Runs bench/load on a host; returns what it measured."""

    def load(case, request, *options):
        path = host.path("request")
        with open(path, "w", newline="") as out:
            out.write(request)
        _, out, _ = host.run([program, case.address, str(case.port), path, *map(str, options)], timeout=60)
        return json.loads(out)

    return load


def get(path, host="web.mesh"):
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"


def print_table(title, columns, rows):
    print(f"\n{title}\n")
    print("| " + " | ".join(columns) + " |")
    print("| " + " | ".join("---" for _ in columns) + " |")
    for row in rows:
        print("| " + " | ".join(row) + " |")


def rate(result):
    return result["requests"] / result["seconds"]


def cpu_per_100k(result):
    return 100_000 * result["cpu"] / max(result["requests"], 1)


def gigabits(result):
    return 8e-9 * result["bytes"] / result["seconds"]


def two_hosts(network, programs, service):
    """A mesh of a server and an agent; the service runs beside the agent."""
    a, b = (MeshHost(host, programs) for host in network.hosts)
    a.init(default="allow")
    a.start_steer()
    a.start_daemon("server")
    wait_until("a leader", lambda: a.ctl_json("cluster", "status")["Leader"])
    b.join(a.ctl("token", "join").strip())
    b.add_service_file("service", service)
    b.start_steer()
    b.start_daemon("agent")
    return a, b


def tcp(build):
    """Proxied TCP with mutual TLS: direct, HAProxy on both hosts, meshd on both hosts, in turn."""
    with Network("bench", 2) as network:
        a, b = two_hosts(network, Programs(build), "services: [{name: web, port: 8080, protocol: http}]\n")
        Nginx(b.host, 8080, {"small": 1024, "big": 64 << 20})
        haproxy = HaproxyPair(a.host, b.host, 8080)
        wait_until("web.mesh answers", lambda: a.curl("http://web.mesh/small", check=False)[0] == 0)
        cases = [Case("direct", b.host.address, 8080),
                 Case("HAProxy 2.6, mutual TLS", "127.0.0.1", haproxy.port, haproxy.daemons),
                 Case("meshd", a.dig("web.mesh")[0], 80, (a.daemon, b.daemon))]
        load = loader(os.path.join(build, "bench", "load"), a.host)
        for _ in range(ROUNDS):
            for case in cases:
                case.measure(load, "one", get("/small"), "--connections", 1, "--seconds", 3)
                case.measure(load, "many", get("/small"), "--connections", 64, "--seconds", 4)
                case.measure(load, "new", get("/small"), "--connections", 8, "--seconds", 3, "--close")
                case.measure(load, "bulk", get("/big"), "--connections", 2, "--seconds", 3)
        direct = cases[0]
        columns = ["way", "p50 / p99 us, 1 connection", "rate, 64 connections (to direct)", "CPU s per 100k requests",
                   "new connections/s (CPU s per 100k)", "bulk Gbit/s", "failed"]
        print_table("Proxied TCP (HTTP/1.1 keep-alive rides on it; 1 KiB answers)", columns, [[
            case.name,
            f"{case.median('one', lambda r: r['p50']):.0f} / {case.median('one', lambda r: r['p99']):.0f}",
            f"{case.median('many', rate):.0f} ({case.median('many', rate) / direct.median('many', rate):.2f})",
            f"{case.median('many', cpu_per_100k):.2f}" if case.daemons else "-",
            f"{case.median('new', rate):.0f}" + (f" ({case.median('new', cpu_per_100k):.0f})" if case.daemons else ""),
            f"{case.median('bulk', gigabits):.1f}", str(case.failures())] for case in cases])


def burst(build):
    """Connections that all start in one moment, and arrivals above what the handshakes of two hosts can carry."""
    with Network("bench", 2) as network:
        a, b = two_hosts(network, Programs(build), "services: [{name: web, port: 8080, protocol: http}]\n")
        Nginx(b.host, 8080, {"small": 1024})
        wait_until("web.mesh answers", lambda: a.curl("http://web.mesh/small", check=False)[0] == 0)
        load = loader(os.path.join(build, "bench", "load"), a.host)
        case = Case("meshd", a.dig("web.mesh")[0], 80, (a.daemon, b.daemon))
        case.measure(load, "capacity", get("/small"), "--connections", 16, "--seconds", 5, "--close")
        capacity = case.median("capacity", rate)
        for count in BURSTS:
            for _ in range(ROUNDS):
                case.measure(load, f"{count} at once", get("/small"), "--once", "--connections", count, "--seconds", 20)
                time.sleep(2)  # what was given up may still be worked on
        for times in (1, 2, 5, 10):
            arrivals = int(times * capacity)
            case.measure(load, f"{times} x {capacity:.0f}/s for {OVERLOAD_SECONDS} s", get("/small"), "--once", "--connections",
                         arrivals * OVERLOAD_SECONDS, "--rate", arrivals, "--seconds", OVERLOAD_SECONDS + 10)
            time.sleep(2)
        rows = [load_row(case, kind) for kind in case.results]
        print_table("New connections, each with one request", ["case", "succeeded", "failed", "p50 ms", "p99 ms",
                                                               "took s", "succeeded/s", "CPU ms per success"], rows)
        for name, host in (("a", a), ("b", b)):
            print(f"host {name}:")
            print("\n".join(line for line in host.curl("http://127.0.0.1:8500/metrics")[1].splitlines()
                            if line.startswith(("meshd_mesh_tls_", "meshd_proxy_handshake_failures"))))


def load_row(case, kind):
    return [kind, *(f"{case.median(kind, value):.{digits}f}" for value, digits in (
        (lambda r: r["requests"], 0), (lambda r: r["failures"], 0), (lambda r: r["p50"] / 1000, 0), (lambda r: r["p99"] / 1000, 0),
        (lambda r: r["seconds"], 1), (rate, 0), (lambda r: 1000 * r["cpu"] / max(r["requests"], 1), 1)))]


def writes(build):
    """Durable writes on three servers through the leader's own HTTP API, beside etcd's, in turn."""
    with Network("bench", 3) as network:
        hosts = [MeshHost(host, Programs(build)) for host in network.hosts]
        hosts[0].init(default="allow")
        hosts[0].start_daemon("server")
        wait_until("a leader", lambda: hosts[0].ctl_json("cluster", "status")["Leader"])
        for host in hosts[1:]:
            host.join(hosts[0].ctl("token", "join", "--server").strip())
            host.start_daemon("server")
        wait_until("three voters", lambda: len(hosts[0].ctl_json("cluster", "status")["Voters"]) == 3, 30)
        etcd = Etcd(network.hosts)
        value = "v" * 100
        put = f"PUT /v1/kv/bench/{{number}} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(value)}\r\n\r\n{value}"
        body = json.dumps({"key": "{number}", "value": "d" * 132 + "dg=="})
        post = f"POST /v3/kv/put HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        leader = wait_until("a leader", lambda: hosts[0].ctl_json("cluster", "status")["Leader"])
        first = next(host for host in hosts if leader.startswith(host.host.address + ":"))
        cases = [(Case("etcd 3.4, three servers", "127.0.0.1", 2379, etcd.daemons), etcd.leader(), post),
                 (Case("meshd, three servers", "127.0.0.1", 8500, [host.daemon for host in hosts]), first.host, put)]
        for _ in range(ROUNDS):
            for case, host, request in cases:
                load = loader(os.path.join(build, "bench", "load"), host)
                for clients in (1, 16, 256):
                    case.measure(load, clients, request, "--connections", clients, "--seconds", 4)
        columns = ["store", "writes/s at 1 / 16 / 256 clients", "p50 ms", "p99 ms", "CPU us per write at 256, all servers", "failed"]
        print_table("Durable writes of 100 bytes (HTTP, closed loop, at the leader)", columns, [[
            case.name,
            " / ".join(f"{case.median(n, rate):.0f}" for n in (1, 16, 256)),
            " / ".join(f"{case.median(n, lambda r: r['p50']) / 1000:.2f}" for n in (1, 16, 256)),
            " / ".join(f"{case.median(n, lambda r: r['p99']) / 1000:.2f}" for n in (1, 16, 256)),
            f"{10 * case.median(256, cpu_per_100k):.0f}", str(case.failures())] for case, _, _ in cases])


def first_dns_answer(programs):
    """Seconds from the start of `meshd dev` to the first DNS answer."""
    import socket
    from harness import Daemon
    question = bytes.fromhex("000101000001000000000000") + b"\x03web\x07service\x04mesh\x00" + bytes.fromhex("00010001")
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    probe.settimeout(0.002)
    probe.connect(("127.0.0.1", 8600))
    dev = Daemon([programs.meshd, "dev"], "/dev/null")
    while time.monotonic() < dev.started + 10:
        try:
            probe.send(question)
            probe.recv(512)
            break
        except OSError:
            continue
    took = time.monotonic() - dev.started
    expect(dev.stop() == 0, "meshd dev ended with an error")
    return took


def idle(build):
    """Memory and CPU of daemons that have nothing to do; time of `meshd dev` to the first DNS answer."""
    programs = Programs(build)
    took = sorted(first_dns_answer(programs) for _ in range(7))
    print(f"meshd dev to the first DNS answer: {1000 * statistics.median(took):.0f} ms (of 7: {1000 * took[0]:.0f} to {1000 * took[-1]:.0f})")
    with Network("bench", 2) as network:
        a, b = two_hosts(network, programs, "services: [{name: web, port: 8080}]\n")
        haproxy = HaproxyPair(a.host, b.host, 8080)
        wait_until("web in DNS", lambda: a.dig("web.mesh"))
        daemons = [("meshd agent", b.daemon), ("meshd server (agent and server)", a.daemon), ("meshd-steer", b.steer),
                   ("HAProxy 2.6, one service", haproxy.daemons[0])]
        before = [daemon.cpu_seconds() for _, daemon in daemons]
        time.sleep(30)
        print_table("Idle for 30 s", ["daemon", "resident MiB", "of it its own (anonymous) MiB", "CPU ms per s"], [[
            name, f"{daemon.memory_mib():.1f}", f"{anonymous_mib(daemon.pid):.1f}",
            f"{1000 * (daemon.cpu_seconds() - cpu) / 30:.1f}"] for (name, daemon), cpu in zip(daemons, before)])


def anonymous_mib(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon:")) / 1024


def main():
    build, what = sys.argv[1:3]
    try:
        print(f"{os.uname().release}, {os.cpu_count()} CPUs, {run(['git', 'describe', '--always', '--dirty'])[1].strip()}")
        {"tcp": tcp, "burst": burst, "writes": writes, "idle": idle}[what](build)
    except Failed as failure:
        print(f"bench: {failure}")
        return 1
    return 0


sys.exit(main())
