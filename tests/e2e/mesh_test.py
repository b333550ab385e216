#!/usr/bin/env python3
"""Two hosts of one mesh: cluster, join, certificates, steering, a program that knows nothing of a mesh reached by name.

    mesh_test.py BUILD-FOLDER
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Failed, Steps, expect, wait_until  # noqa: E402
from hosts import Network  # noqa: E402
from mesh import Capture, MeshHost, Programs, open_port  # noqa: E402

PAYLOAD = "the payload that nobody on the wire may read"


class TwoHosts:
    def __init__(self, network, programs):
        self.network = network
        self.a, self.b = (MeshHost(host, programs) for host in network.hosts)

    def init(self):
        made = self.a.init(default="allow")
        expect(len(made["ManagementToken"]) >= 36, f"management token {made['ManagementToken']!r}")
        status, _, err = self.a.host.run([self.a.programs.meshctl, "cluster", "init", "--no-start", *self.a.place], check=False)
        expect(status == 1 and made["ClusterID"] in err, f"a second init gave {status}: {err}")
        key = os.stat(self.a.host.path("data", "node.key"))
        expect(key.st_mode & 0o077 == 0, f"node.key has mode {key.st_mode:o}")
        self.cluster_id = made["ClusterID"]
        return f"cluster {made['ClusterID'][:8]} on {made['Node']}; a second init is refused"

    def server(self):
        self.a.start_steer()
        self.a.start_daemon("server")
        status = wait_until("a leader", lambda: (s := self.a.ctl_json("cluster", "status"))["Leader"] and s)
        expect(status["Leader"] == f"{self.a.host.address}:8300", f"leader {status['Leader']}")
        expect(status["ClusterID"] == self.cluster_id, "another cluster")
        return f"meshd server leads at {status['Leader']}"

    def wrong_tokens(self):
        told = []
        for name, text in [("nonsense", "nonsense"), ("cut short", self.a.ctl("token", "join").strip()[:-9])]:
            path = self.b.host.path("wrong")
            with open(path, "w") as out:
                out.write(text)
            status, _, err = self.b.host.run([self.b.programs.meshctl, "join", "--no-start", "--token-file", path, *self.b.place], check=False)
            expect(status != 0 and err.startswith("meshctl: ") and err.count("\n") == 1, f"{name}: {status}: {err}")
            told.append(err.strip())
        return "; ".join(told)

    def join(self):
        token = self.a.ctl("token", "join").strip()
        joined = self.b.join(token)
        expect(joined["ClusterID"] == self.cluster_id and joined["Kind"] == "agent", f"joined {joined}")
        path = self.b.host.path("again")
        with open(path, "w") as out:
            out.write(token)
        status, _, err = self.b.host.run([self.b.programs.meshctl, "join", "--no-start", "--token-file", path, *self.b.place], check=False)
        expect(status != 0 and self.cluster_id in err, f"a second join gave {status}: {err}")
        return f"{joined['Node']} joined with one token; a second join is refused"

    def members(self):
        self.b.add_service_file("web", "services:\n  - name: web\n    port: 8080\n    protocol: http\n"
                                       "    checks:\n      - {tcp: \"127.0.0.1:8080\", interval: 1s}\n")
        self.b.start_steer()
        self.b.start_daemon("agent")
        members = wait_until("two members", lambda: (m := self.a.ctl_json("members")) and len(m) == 2 and m)
        return "members: " + ", ".join(sorted(m["Name"] for m in members))

    def program(self):
        page = self.b.host.path("page")
        os.makedirs(page)
        with open(os.path.join(page, "index.html"), "w") as out:
            out.write(PAYLOAD + "\n")
        self.b.host.start(["python3", "-m", "http.server", "8080", "--bind", "0.0.0.0", "--directory", page], "web")
        answer = wait_until("web in DNS on the other host", lambda: self.a.dig("web.service.mesh", "SRV"))
        expect(answer[0].split()[2] == "8080", f"SRV gave {answer}")
        return f"web of {self.b.name}, from conf.d, seen by DNS on {self.a.name}: {answer[0]}"

    def reach(self):
        capture = Capture(self.network)
        out = wait_until("web.mesh answers", lambda: self.a.curl("http://web.mesh/", check=False)[1])
        expect(out == PAYLOAD + "\n", f"curl gave {out!r}")
        data = capture.stop()
        expect(capture.packets > 10, "the capture is empty")
        expect(PAYLOAD.encode() not in data, "the payload was on the wire in clear")
        return f"curl http://web.mesh/ on {self.a.name}, which runs no web server; {capture.packets} packets on the wire hold none of the payload"

    def same_host(self):
        _, out, _ = self.b.curl("http://web.mesh/")
        expect(out == PAYLOAD + "\n", f"curl gave {out!r}")
        return f"the same name works on {self.b.name} itself"

    def no_listener(self):
        expect(not open_port(self.a.host, 80), "something listens on port 80 of host a")
        server = self.a.host.start(["python3", "-m", "http.server", "80", "--bind", "0.0.0.0", "--directory", self.a.host.path("run")], "own80")
        wait_until("a server of its own on 0.0.0.0:80", lambda: self.a.curl("http://127.0.0.1:80/", check=False)[0] == 0)
        _, out, _ = self.a.curl("http://web.mesh/")
        expect(out == PAYLOAD + "\n", f"curl gave {out!r}")
        server.stop()
        return "another program binds 0.0.0.0:80 beside it, both work"

    def check_fails(self):
        self.b.host.programs[-1].stop()
        wait_until("web left DNS", lambda: not self.a.dig("web.service.mesh"), 10)
        status, _, _ = self.a.curl("http://web.mesh/", check=False)
        expect(status != 0, "web.mesh still answers")
        self.b.host.start(["python3", "-m", "http.server", "8080", "--bind", "0.0.0.0", "--directory", self.b.host.path("page")], "web2")
        wait_until("web is back", lambda: self.a.curl("http://web.mesh/", check=False)[1] == PAYLOAD + "\n", 10)
        return "a stopped program leaves DNS and traffic, and comes back"

    def intentions(self):
        source = f"node/{self.a.name}"
        opened = self.a.host.start(["bash", "-c", "exec 3<>/dev/tcp/$(getent ahostsv4 web.mesh | head -1 | cut -d' ' -f1)/80; cat <&3"], "opened")
        wait_until("an open connection", lambda: self.open_connections(self.b) > 0)
        self.a.ctl("intentions", "deny", source, "web")
        wait_until("the next connection is refused", lambda: self.a.curl("http://web.mesh/", check=False)[0] != 0)
        wait_until("the open one ends", lambda: opened.process.poll() is not None)
        allowed, _, _ = self.a.host.run([self.a.programs.meshctl, "intentions", "check", source, "web", "--address",
                                         f"unix:{self.a.host.path('run', 'agent.sock')}"], check=False)
        expect(allowed == 4, f"intentions check ended with {allowed}")
        self.a.ctl("intentions", "delete", source, "web")
        wait_until("allowed again", lambda: self.a.curl("http://web.mesh/", check=False)[1] == PAYLOAD + "\n")
        return f"{source} -> web denied: the next connection is refused, the open one ended; allowed again"

    @staticmethod
    def metrics(host):
        return host.host.run(["curl", "-sS", "http://127.0.0.1:8500/metrics"], check=False)[1]

    def open_connections(self, host):
        lines = [line for line in self.metrics(host).split("\n") if line.startswith("meshd_proxy_open_connections")]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def servers_gone(self):
        self.a.daemon.stop(seconds=40)
        _, out, _ = self.b.curl("http://web.mesh/")
        expect(out == PAYLOAD + "\n", f"curl gave {out!r}")
        self.b.daemon.stop(seconds=40)
        self.b.daemon = self.b.host.start([self.b.programs.meshd, "agent", *self.b.place], "meshd-agent-alone")
        wait_until("the restarted agent serves what it knew", lambda: self.b.curl("http://web.mesh/", check=False)[1] == PAYLOAD + "\n", 10)
        expect(self.b.dig("web.service.mesh", "SRV"), "web is not in DNS")
        self.a.start_daemon("server")
        wait_until("the hosts reach each other again", lambda: self.a.curl("http://web.mesh/", check=False)[1] == PAYLOAD + "\n", 15)
        return "no server: DNS and traffic go on, also after a restart of the agent; the server comes back"

    def restart_agent(self):
        self.b.daemon.stop(seconds=40)
        self.b.start_daemon("agent")
        wait_until("web.mesh answers again", lambda: self.a.curl("http://web.mesh/", check=False)[1] == PAYLOAD + "\n", 10)
        return "the agent restarts, its service is reached again"

    def end(self):
        for host in (self.b, self.a):
            status = host.daemon.stop(seconds=40)
            expect(status == 0, f"{host.name} ended with {status}: {host.daemon.log_tail()}")
        return "both daemons end with status 0"


def main():
    steps = Steps()
    try:
        with Network("mesh", 2) as network:
            mesh = TwoHosts(network, Programs(sys.argv[1]))
            for step in (mesh.init, mesh.server, mesh.wrong_tokens, mesh.join, mesh.members, mesh.program, mesh.reach,
                         mesh.same_host, mesh.no_listener, mesh.check_fails, mesh.intentions, mesh.restart_agent, mesh.servers_gone, mesh.end):
                steps.daemons = [h.daemon for h in (mesh.a, mesh.b) if h.daemon]
                if not steps.step(step.__name__.replace("_", " "), step):
                    break
    except Failed as failure:
        print(f"FAIL  {failure}")
        steps.failed += 1
    steps.finish()


main()
