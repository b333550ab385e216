#!/usr/bin/env python3
"""Three hosts of one mesh: who is there, who is gone, and how soon the others know.

    members_test.py BUILD-FOLDER
"""

import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import expect, wait_until  # noqa: E402
from mesh import MeshHost, run_steps  # noqa: E402
from metrics_page import check_page  # noqa: E402

ALIVE, LEFT, FAILED = 1, 3, 4


class Member(MeshHost):
    """A host asked by its HTTP API and DNS."""

    def get(self, path):
        try:
            status, _, body = self.http.call("GET", path)
        except OSError:  # the daemon starts or ends
            return None
        return json.loads(body) if status == 200 else None

    def members(self):
        return {m["Name"]: m["Status"] for m in self.get("/v1/agent/members") or []}

    def serf_health(self, node):
        return {c["CheckID"]: c["Status"] for c in self.get(f"/v1/health/node/{node.name}?stale") or []}.get("serfHealth")

    def resolves(self, service):
        return self.host.run(["dig", "@127.0.0.1", "-p", "8600", "+tries=1", "+time=2", "+short",
                              f"{service}.service.mesh"], check=False)[1].strip() != ""

    def start_quickly(self, verb):
        self.daemon = self.host.start([self.programs.meshd, verb, *self.place], f"meshd-{verb}-{time.monotonic():.0f}")

    def kill(self):
        self.daemon.process.kill()
        self.daemon.process.wait()


class ThreeHosts:
    def __init__(self, network, programs):
        self.network = network
        self.a, self.b, self.c = self.hosts = [Member(host, programs) for host in network.hosts]

    def mesh(self):
        self.a.init(default="allow")
        key = os.stat(self.a.host.path("data", "gossip.key"))
        expect(key.st_mode & 0o077 == 0, f"gossip.key has mode {key.st_mode:o}")
        self.a.start_daemon("server")
        token = wait_until("a token", lambda: self.a.ctl("token", "join", "--uses", "2", check=False).strip())
        for host, service in ((self.b, "db"), (self.c, "web")):
            host.join(token)
            host.add_service_file(service, f"services:\n  - name: {service}\n    port: 8080\n")
            host.start_daemon("agent")
        names = {host.name for host in self.hosts}
        for host in self.hosts:
            wait_until(f"all alive on {host.name}", lambda h=host: h.members() == dict.fromkeys(names, ALIVE), 15)
        for node in self.hosts:
            wait_until(f"{node.name} is passing", lambda n=node: self.b.serf_health(n) == "passing", 15)
        return "three members, alive on each; serfHealth passes"

    def timed(self, *events):
        """Seconds from now until each event (what, probe) has been seen."""
        begin = time.monotonic()
        seen = {}
        while len(seen) < len(events):
            for what, probe in events:
                if what not in seen and probe():
                    seen[what] = time.monotonic() - begin
            expect(time.monotonic() - begin < 12, f"after 12 s only {seen}")
            time.sleep(0.02)
        return ", ".join(f"{what} after {seconds:.2f} s" for what, seconds in sorted(seen.items(), key=lambda s: s[1]))

    def gone(self, node, service, status):
        return (("out of DNS", lambda: not self.b.resolves(service)),
                ("serfHealth critical", lambda: self.b.serf_health(node) == "critical"),
                ("in members", lambda: self.b.members().get(node.name) == status and self.a.members().get(node.name) == status))

    def back(self, node, service):
        return (("in DNS", lambda: self.b.resolves(service)),
                ("serfHealth passing", lambda: self.b.serf_health(node) == "passing"),
                ("alive", lambda: self.a.members().get(node.name) == ALIVE and self.b.members().get(node.name) == ALIVE))

    def killed(self):
        self.c.kill()
        return "kill -9 of an agent: " + self.timed(*self.gone(self.c, "web", FAILED))

    def restarted(self):
        self.c.start_quickly("agent")
        return "started again: " + self.timed(*self.back(self.c, "web"))

    def stopped(self):
        begin = time.monotonic()
        self.c.daemon.process.send_signal(signal.SIGTERM)
        told = self.timed(*self.gone(self.c, "web", LEFT))
        status = self.c.daemon.process.wait(10)
        expect(status == 0, f"ended with {status}: {self.c.daemon.log_tail()}")
        ended = time.monotonic() - begin
        self.c.start_quickly("agent")
        return f"SIGTERM: left, {told}; ended within {ended:.2f} s; started again: {self.timed(*self.back(self.c, 'web'))}"

    def cable(self):
        self.network.partition(self.c.host, True)
        told = self.timed(*self.gone(self.c, "web", FAILED))
        expect(self.c.resolves("db") and self.c.serf_health(self.b) == "passing", "the host that is cut off holds others for dead")
        self.network.partition(self.c.host, False)
        return f"cable out: {told}; the cut host serves what it knew; cable in: {self.timed(*self.back(self.c, 'web'))}"

    def server_restarts(self):
        self.a.kill()
        wait_until("the agents see the server fail", lambda: self.b.members().get(self.a.name) == FAILED, 8)
        expect(self.b.resolves("web"), "the agents forgot what they knew")
        self.a.start_quickly("server")
        return "kill -9 of the server, started again: " + self.timed(("the agents see it", lambda: self.b.members().get(self.a.name) == ALIVE), *self.back(self.c, "web"))

    def metrics(self):
        out = self.b.http.call("GET", "/metrics")[2].decode()
        alive = [line for line in out.split("\n") if line.startswith("meshd_gossip_members ")]
        expect(alive == ["meshd_gossip_members 2"], f"the metric says {alive}")
        return alive[0]

    def metrics_page(self):
        return check_page(self.a.http.call("GET", "/metrics")[2].decode())

    def end(self):
        for host in (self.c, self.b, self.a):
            status = host.daemon.stop(signal.SIGTERM, seconds=10)
            expect(status == 0, f"{host.name} ended with {status}: {host.daemon.log_tail()}")
        return "all end with status 0"

    def steps(self):
        return [self.mesh, self.stopped, self.killed, self.restarted, self.cable, self.server_restarts, self.metrics,
                self.metrics_page, self.end]


run_steps("members", 3, ThreeHosts)
