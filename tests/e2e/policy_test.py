#!/usr/bin/env python3
"""Who may call whom: local programs under different users, upstreams' own addresses, intentions by service identity on one
host and between two, with open connections that end. Users are numbers; none is made on the machine.

    policy_test.py BUILD-FOLDER
"""

import os
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import expect  # noqa: E402
from harness import wait_until as wait_for_seconds  # noqa: E402
from mesh import MeshHost, run_steps  # noqa: E402

WEB, STRANGER, LEGACY = 4001, 4002, 4003
PATIENCE = 30.0  # seconds; what is waited for takes parts of one, on a busy machine longer


def wait_until(what, probe):
    return wait_for_seconds(what, probe, PATIENCE, pause=0.05)


ECHO = """
import socketserver, sys
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(4096):
            self.request.sendall(data)
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
Server((sys.argv[1], int(sys.argv[2])), Echo).serve_forever()
"""

# Asks once; with a third argument it then waits for the end of the connection.
CALL = """
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
s.settimeout(20)
s.sendall(b"ping")
print(s.recv(16).decode(), flush=True)
if len(sys.argv) > 3:
    print("ended" if not s.recv(1) else "data", flush=True)
"""

A_SERVICES = """services:
  - name: web
    port: 8080
    process: {user: "4001"}
    upstreams: [{name: db, bind: "127.0.0.1:15432"}]
  - name: legacy
    port: 7000
    upstreams: [{name: db, bind: "127.0.0.1:15433"}]
  - {name: cache, port: 6379}
"""

TAKEN = """services:
  - name: other
    port: 7001
    upstreams: [{name: db, bind: "127.0.0.1:15434"}]
"""

B_SERVICES = "services: [{name: db, port: 5432}]\n"


class Policy:
    def __init__(self, network, programs):
        self.a, self.b = self.hosts = [MeshHost(host, programs) for host in network.hosts]
        self.node = f"node/{self.a.name}"

    def two_hosts(self):
        self.a.init(default="deny")
        self.a.add_service_file("a", A_SERVICES)
        self.b.add_service_file("b", B_SERVICES)
        self.a.start_steer()
        self.a.start_daemon("server")
        wait_until("a leader", lambda: self.a.ctl_json("cluster", "status")["Leader"])
        self.b.join(self.a.ctl("token", "join").strip())
        self.b.start_steer()
        self.b.start_daemon("agent")
        self.a.host.start(["python3", "-c", ECHO, "127.0.0.1", "6379"], "cache")
        self.b.host.start(["python3", "-c", ECHO, "127.0.0.1", "5432"], "db")
        wait_until("db in DNS", lambda: self.a.dig("db.mesh"))
        return "default deny; web and cache on one host, db on the other"

    # ---- helpers ----

    def call(self, address, port, user=None):
        """What a program of that user gets: "ping", or nothing when the connection is reset."""
        return self.a.host.run(["python3", "-c", CALL, address, str(port)], check=False, user=user)[1].strip()

    def hold(self, name, address, port, user):
        """An open connection of that user."""
        def opened():
            held = self.a.host.start(["python3", "-c", CALL, address, str(port), "hold"], name, user=user)
            return held.process.stdout.readline() == b"ping\n" and held
        return wait_until(f"an open connection of {user}", opened)

    def logged(self, host, *parts):
        with open(host.daemon.log_path, errors="replace") as log:
            return [line.strip() for line in log if all(part in line for part in parts)]

    def wait_logged(self, host, *parts):
        return wait_until(f"a line with {', '.join(parts)}", lambda: self.logged(host, *parts))[-1]

    def rule_of(self, source, destination):
        rows = self.a.ctl_json("intentions", "list")
        return next(row["ID"] for row in rows if row["SourceName"] == source and row["DestinationName"] == destination)

    # ---- steps ----

    def upstream_of_its_user(self):
        self.a.ctl("intentions", "allow", "web", "db")
        wait_until("web reaches db", lambda: self.call("127.0.0.1", 15432, WEB) == "ping")
        return f"uid {WEB} is web by its rule and reaches db of the other host through its upstream's own address"

    def strangers(self):
        for user in (STRANGER, None):
            expect(self.call("127.0.0.1", 15432, user) == "", f"user {user} got through web's upstream")
        line = self.wait_logged(self.a, "CALLER_NOT_ALLOWED", f"uid {STRANGER}")
        expect("side=source" in line and "destination=db" in line and "process rule of web" in line, line)
        self.wait_logged(self.a, "CALLER_NOT_ALLOWED", "uid 0")
        metrics = self.a.host.run(["curl", "-sS", "http://127.0.0.1:8500/metrics"])[1]
        expect([line for line in metrics.split("\n") if "CALLER_NOT_ALLOWED" in line and "db" in line], "no metric")
        return line

    def by_name(self):
        wait_until("web reaches db.mesh", lambda: self.call("db.mesh", 5432, WEB) == "ping")
        expect(self.call("db.mesh", 5432, STRANGER) == "", "a stranger reached db.mesh")
        for host, side in ((self.b, "destination"), (self.a, "source")):
            line = self.wait_logged(host, "DENIED_BY_DEFAULT", f"source={self.node}", f"side={side}")
            expect("rule=default" in line and "endpoint=" in line and "destination=db" in line, line)
        self.a.ctl("intentions", "allow", self.node, "db")
        wait_until("the node may call db", lambda: self.call("db.mesh", 5432, STRANGER) == "ping")
        expect(self.call("127.0.0.1", 15432, STRANGER) == "", "a stranger got through web's upstream")
        return f"the same name carries web for uid {WEB} and {self.node} for uid {STRANGER}, which has rules of its own"

    def deny_between_hosts(self):
        held = self.hold("held-web", "db.mesh", 5432, WEB)
        node = self.hold("held-node", "db.mesh", 5432, STRANGER)
        self.a.ctl("intentions", "deny", "web", "db")
        wait_until("web's open connection ends", lambda: held.process.poll() is not None)
        wait_until("web is refused", lambda: self.call("127.0.0.1", 15432, WEB) == "")
        expect(node.process.poll() is None, "the node's connection ended too")
        rule = self.rule_of("web", "db")
        self.wait_logged(self.b, "NO_LONGER_ALLOWED", f"rule={rule}", "source=web", "endpoint=db")
        self.wait_logged(self.a, "DENIED_BY_INTENTION", f"rule={rule}", "side=source")
        status, out, _ = self.a.host.run([self.a.programs.meshctl, "intentions", "check", "web", "db", "--address",
                                          f"unix:{self.a.host.path('run', 'agent.sock')}"], check=False)
        expect(status == 4 and rule in out, f"intentions check: {status} {out}")
        node.stop(signal.SIGTERM)
        return f"web -> db denied: open one ended, next refused, the node's goes on; both logs and the check name {rule[:8]}"

    def deny_on_one_host(self):
        self.a.ctl("intentions", "allow", "web", "cache")
        wait_until("web reaches cache", lambda: self.call("cache.mesh", 6379, WEB) == "ping")
        expect(self.call("cache.mesh", 6379, STRANGER) == "", "a stranger reached cache")
        held = self.hold("held-cache", "cache.mesh", 6379, WEB)
        self.a.ctl("intentions", "deny", "web", "cache")
        wait_until("the open connection ends", lambda: held.process.poll() is not None)
        wait_until("web is refused", lambda: self.call("cache.mesh", 6379, WEB) == "")
        self.wait_logged(self.a, "NO_LONGER_ALLOWED", "source=web", "destination=cache", f"rule={self.rule_of('web', 'cache')}")
        return "the same on one host, by the identity that the kernel proves"

    def default_rule(self):
        self.a.ctl("intentions", "delete", self.node, "db")
        self.a.ctl("intentions", "allow", "*", "db")
        self.a.host.start(["python3", "-c", ECHO, "127.0.0.1", "7000"], "legacy", user=LEGACY)
        wait_until("legacy reaches db", lambda: self.call("127.0.0.1", 15433, LEGACY) == "ping")
        expect(self.call("127.0.0.1", 15433, STRANGER) == "", "a stranger got through legacy's upstream")
        expect(self.call("db.mesh", 5432, STRANGER) == "", "* let in a process that is no service")
        line = self.wait_logged(self.a, "no process can act as this service", "service=cache", "root")
        return f"whoever listens on legacy's port is legacy, and * means services only; {line}"

    def taken_address(self):
        taken = self.a.host.start(["python3", "-c", ECHO, "127.0.0.1", "15434"], "taken")
        wait_until("the port is taken", lambda: self.call("127.0.0.1", 15434) == "ping")
        self.a.add_service_file("other", TAKEN)
        self.a.daemon.process.send_signal(signal.SIGHUP)
        line = self.wait_logged(self.a, "the address of an upstream is not available", "15434")
        expect(f"pid {taken.pid}" in line, line)
        wait_until("the rest of the mesh goes on", lambda: self.call("127.0.0.1", 15433, LEGACY) == "ping")
        taken.stop(signal.SIGTERM)
        wait_until("the address opens", lambda: self.logged(self.a, "the address of an upstream is open now"))
        return line

    def wrong_definitions(self):
        path = self.a.host.path("wrong.yaml")
        with open(path, "w") as out:
            out.write("services:\n  - name: bad\n    upstreams:\n      - {name: db, bind: \"localhost:5432\"}\n")
        status, out, err = self.a.host.run([self.a.programs.meshctl, "validate", path], check=False)
        expect(status != 0 and "wrong.yaml:4:26" in out + err and "127.0.0.1:9191" in out + err, out + err)
        body = '{"Name": "bad", "Upstreams": [{"DestinationName": "db", "Bind": "5432"}]}'
        _, code, _ = self.a.host.run(["curl", "-sS", "-o", "/dev/stderr", "-w", "%{http_code}", "-X", "PUT", "-d", body, "--unix-socket",
                                      self.a.host.path("run", "agent.sock"), "http://localhost/v1/agent/service/register"])
        expect(code == "400", f"a malformed bind gave {code}")
        return (out + err).strip().split("\n")[-1]

    def removed(self):
        """What the agent of a removed node ends with."""
        status = self.b.daemon.process.wait(PATIENCE)
        lines = [line for line in self.b.daemon.log_text().split("\n") if line.startswith("meshd: ")]
        expect(status == 4 and len(lines) == 1 and "was removed from the mesh" in lines[0] and "leave --force" in lines[0],
               f"{self.b.name} ended with {status}: {self.b.daemon.log_tail()}")
        return lines[0].removeprefix("meshd: ")

    def node_removed(self):
        name = f"node/{self.b.name}"
        self.a.ctl("intentions", "allow", name, "cache")
        def opened():
            held = self.b.host.start(["python3", "-c", CALL, "cache.mesh", "6379", "hold"], "held-b")
            return held.process.stdout.readline() == b"ping\n" and held
        held = wait_until("an open connection from the other host", opened)
        self.a.ctl("cluster", "remove", self.b.name)
        wait_until("its open connection ends", lambda: held.process.poll() is not None)
        self.wait_logged(self.a, "PEER_NO_LONGER_TRUSTED", f"source={name}", "its node was removed")
        told = self.removed()
        self.b.host.run([self.b.programs.meshctl, "leave", "--force", "--no-start", *self.b.place, "--address", self.b.socket])
        left = os.listdir(self.b.host.path("data"))
        expect(left == [], f"left in the data directory: {left}")
        return told

    def leave_interrupted(self):
        self.b.join(self.a.ctl("token", "join").strip())
        self.b.start_daemon("agent")
        wait_until("db is back in DNS", lambda: self.a.dig("db.mesh"))
        status, _, body = self.b.http.call("PUT", "/v1/agent/leave")
        expect(status == 200, f"leave gave {status}: {body.decode()}")
        self.b.daemon.stop(signal.SIGKILL)
        self.b.daemon = self.b.host.start([self.b.programs.meshd, "agent", *self.b.place], "meshd-agent-again")
        self.removed()
        return "an agent that was killed while it left says so at its next start, and stops"

    def end(self):
        status = self.a.daemon.stop(seconds=40)
        expect(status == 0, f"{self.a.name} ended with {status}: {self.a.daemon.log_tail()}")
        return "the server ends with status 0"

    def steps(self):
        return [self.two_hosts, self.upstream_of_its_user, self.strangers, self.by_name, self.deny_between_hosts,
                self.deny_on_one_host, self.default_rule, self.taken_address, self.wrong_definitions, self.node_removed, self.leave_interrupted, self.end]


run_steps("policy", 2, Policy)
