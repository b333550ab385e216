#!/usr/bin/env python3
"""Two hosts of one mesh: cluster, join, certificates, steering, a program that knows nothing of a mesh reached by name.

    mesh_test.py BUILD-FOLDER
"""

import json
import os
import shutil
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import expect, wait_until  # noqa: E402
from mesh import Capture, MeshHost, open_port, run_steps  # noqa: E402

PAYLOAD = "the payload that nobody on the wire may read"


class TwoHosts:
    def __init__(self, network, programs):
        self.network = network
        self.a, self.b = self.hosts = [MeshHost(host, programs) for host in network.hosts]

    def init(self):
        made = self.a.init(default="allow")
        expect(len(made["ManagementToken"]) >= 36, f"management token {made['ManagementToken']!r}")
        status, _, err = self.a.host.run([self.a.programs.meshctl, "cluster", "init", "--no-start", *self.a.place], check=False)
        expect(status == 1 and made["ClusterID"] in err, f"a second init gave {status}: {err}")
        status, _, err = self.a.host.run([self.a.programs.meshd, "agent", *self.a.place], check=False)
        expect(status == 1 and "'meshd server'" in err, f"'meshd agent' on a server gave {status}: {err}")
        status, _, err = self.b.host.run([self.b.programs.meshd, "agent", *self.b.place], check=False)
        expect(status == 1 and "in no mesh" in err, f"'meshd agent' before the join gave {status}: {err}")
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

    def hang_up(self, told):
        """SIGHUP to b's agent, until its log has told this once more."""
        def count():
            with open(self.b.daemon.log_path) as log:
                return sum(told in line for line in log)
        before = count()
        self.b.daemon.process.send_signal(signal.SIGHUP)
        wait_until(f"the log tells '{told}'", lambda: count() > before, 10)

    def services(self):
        return self.b.ctl("services", "list")

    def reload(self):
        taken, refused = "configuration read again", "the configuration was not taken over"
        self.b.add_service_file("extra", "services:\n  - {name: extra, port: 9000}\n")
        self.hang_up(taken)
        wait_until("extra is registered", lambda: "extra" in self.services())
        self.b.add_service_file("worse", "services:\n  - {name: more, port: 9001}\n  - name: x\n    prot: tcp\n    port: 70000\n")
        self.hang_up(refused)
        log = self.b.daemon.log_tail(40)
        expect("worse.yaml:4:5" in log and "worse.yaml:5:" in log, f"the log does not name the places: {log}")
        expect("extra" in self.services() and "more" not in self.services(), "a refused configuration had effect")
        self.b.add_service_file("worse", "dns: {service_ttl: 7s}\n")
        self.hang_up("needs a restart")
        expect("dns.service_ttl" in self.b.daemon.log_tail(5), self.b.daemon.log_tail(5))
        for name in ("extra", "worse"):
            self.b.remove_service_file(name)
        self.hang_up(taken)
        wait_until("extra is gone", lambda: "extra" not in self.services())
        return "SIGHUP: a service comes and goes; a bad file is refused whole, with file:line:column; dns.service_ttl needs a restart"

    def doctor_on(self, host, *words):
        status, out, err = host.host.run([host.programs.meshctl, "doctor", *words, "--address",
                                          f"unix:{host.host.path('run', 'agent.sock')}"], timeout=20, check=False)
        return status, out or err

    def doctor(self):
        for host in (self.a, self.b):
            status, out = self.doctor_on(host)
            expect(status == 0 and out.strip().endswith(" ok, 0 warnings, 0 errors"), f"{host.name} ({status}): {out}")
        healthy = out.strip().split("\n")[-1]
        self.b.add_service_file("ghost", "services:\n  - {name: ghost, port: 9009}\n")
        self.hang_up("configuration read again")
        wait_until("ghost has its certificate", lambda: "warning" not in [
            f["Level"] for f in json.loads(self.doctor_on(self.b, "--json")[1])["Findings"] if f["Check"] == "certificates"])
        self.b.host.set_resolver("10.77.0.250")
        status, out = self.doctor_on(self.b, "--json")
        self.b.host.set_resolver("127.128.0.53")
        self.b.remove_service_file("ghost")
        self.hang_up("configuration read again")
        bad = {(f["Check"], f["Level"]): f for f in json.loads(out)["Findings"] if f["Level"] != "ok"}
        expect(status == 1 and set(bad) == {("services", "warning"), ("dns", "error")}, f"{status}: {out}")
        expect("nameserver 127.128.0.53" in bad["dns", "error"]["Fix"], out)
        expect(bad["services", "warning"]["Where"] == "ghost", out)
        status, out, _ = self.b.host.run([self.b.programs.meshctl, "doctor", "--address", "unix:/nowhere/agent.sock"], check=False)
        expect(status == 5 and "no answer" in out and "fix:" in out, f"without an agent {status}: {out}")
        return f"{healthy}; a resolver that goes elsewhere and a service nobody runs are found, with the line to add; 5 without an agent"

    def one_line(self, host, words, status, *parts, user=None):
        got, _, err = host.host.run([host.programs.meshd, *words], check=False, user=user)
        lines = [line for line in err.split("\n") if line.startswith("meshd: ")]
        expect(got == status and len(lines) == 1, f"meshd {' '.join(words)} gave {got}: {err}")
        expect(all(part in lines[0] for part in parts), f"{lines[0]!r} lacks one of {parts}")
        return lines[0].removeprefix("meshd: ")

    def faults_at_start(self):
        copy = self.b.host.path("copy")
        shutil.copytree(self.b.host.path("data"), copy)
        own = ["--config", self.b.config, "--conf-dir", self.b.conf_dir]
        told = [
            self.one_line(self.b, ["agent", *own], 1, "agent.lock", f"process {self.b.daemon.pid}"),
            self.one_line(self.b, ["agent", *own, "--data-dir", copy, "--run-dir", self.b.host.path("other-run")], 1,
                          ":8500 is in use by meshd", f"pid {self.b.daemon.pid}", "ports.http"),
            self.one_line(self.b, ["agent", *own, "--data-dir", self.b.host.path("none")], 1, "meshctl join"),
            self.one_line(self.b, ["agent", *own, "--data-dir", copy], 1, copy, user="daemon"),
            self.one_line(self.b, ["agent", *own, "--http-port", "70000"], 2, "http-port"),
        ]
        record = os.path.join(copy, "node.json")
        os.remove(record)
        os.mkfifo(record)
        told.append(self.one_line(self.b, ["agent", *own, "--data-dir", copy], 1, "node.json is a pipe", "cluster remove"))
        shutil.rmtree(copy)
        return "; ".join(told)

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

    def steps(self):
        return [self.init, self.server, self.wrong_tokens, self.join, self.members, self.program, self.reach,
                self.same_host, self.no_listener, self.reload, self.doctor, self.faults_at_start, self.check_fails,
                self.intentions, self.restart_agent, self.servers_gone, self.end]


run_steps("mesh", 2, TwoHosts)
