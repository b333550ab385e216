"""Steps that make the mesh: cluster, joins, programs, services."""

import json
import os
import time

from harness import expect, wait_until
from world import BOUND_PORT


class MakeSteps:
    def __init__(self, world):
        self.w = world

    def steps(self):
        return [("a cluster by one command", self.cluster),
                ("every further host by one join token", self.join),
                ("programs that know no mesh", self.start_programs),
                ("services in three ways", self.register),
                ("nothing may call until someone allows it", self.default_deny)]

    def cluster(self):
        made = self.w.a.init()
        self.w.token = made["ManagementToken"]
        self.w.a.start_steer()
        self.w.a.start_daemon("server")
        leader = self.w.wait_for_leader(self.w.a)
        return f"meshctl cluster init on {self.w.a.name}: cluster {made['ClusterID'][:8]}, default action deny; {leader.name} leads"

    def join(self):
        for host in self.w.hosts[1:]:
            server = host in self.w.servers
            token = self.w.a.ctl("token", "join", *(["--server"] if server else [])).strip()
            joined = host.join(token)
            expect(joined["Kind"] == ("server" if server else "agent"), f"{host.name} joined as {joined}")
            host.start_steer()
            host.start_daemon("server" if server else "agent")
        names = {host.name for host in self.w.hosts}
        started = time.monotonic()
        for host in self.w.hosts:
            wait_until(f"{host.name} sees five members", lambda h=host: {m["Name"] for m in h.ctl_json("members")} == names)
        wait_until("three servers that vote", lambda: set(self.w.e.ctl_json("cluster", "status")["Voters"]) == {
            f"{host.host.address}:8300" for host in self.w.servers}, 15)
        return f"meshctl members shows {len(names)} on every host, cluster status three voters, {time.monotonic() - started:.1f} s after the last join"

    def start_programs(self):
        for program in self.w.make_programs().values():
            program.start()
        return "; ".join(f"{program.name} on {program.host.name} {program.bind}:{program.port}" for program in self.w.programs.values())

    def register(self):
        w = self.w
        w.d.add_service_file("web", "services:\n  - name: web\n    port: 8080\n    protocol: http\n"
                                    f"    upstreams:\n      - {{name: db, bind: \"127.0.0.1:{BOUND_PORT}\"}}\n"
                                    "    checks:\n      - {http: \"http://127.0.0.1:8080/health\", interval: 1s, timeout: 3s}\n")
        w.d.reload()
        definition = w.e.host.path("services.yaml")
        with open(definition, "w") as out:
            out.write("services:\n  - name: web\n    port: 8080\n    protocol: http\n"
                      "    checks:\n      - {http: \"http://127.0.0.1:8080/health\", interval: 1s, timeout: 3s}\n"
                      "  - name: db\n    port: 5432\n    checks:\n      - {tcp: \"127.0.0.1:5432\", interval: 1s}\n")
        w.e.ctl("services", "register", definition)
        body = {"Name": "cache", "Port": 6379, "Check": {"TCP": "127.0.0.1:6379", "Interval": "1s"}}
        w.d.host.run(["curl", "-sS", "--fail", "-X", "PUT", "-H", f"X-Consul-Token: {w.token}", "-d", json.dumps(body),
                      "http://127.0.0.1:8500/v1/agent/service/register"])
        started = time.monotonic()
        wait_until("web with two healthy instances, db and cache on host a", self.all_seen)
        seen = time.monotonic() - started
        return (f"web on {w.d.name} by conf.d and SIGHUP, web and db on {w.e.name} by meshctl, cache on {w.d.name} by HTTP; "
                f"{w.a.name} sees them in DNS and API, healthy, {seen:.1f} s later")

    def all_seen(self):
        a = self.w.a
        in_dns = {name: a.dig(f"{name}.service.mesh", "SRV") for name in ("web", "db", "cache")}
        healthy = {name: a.http.json(f"/v1/health/service/{name}?passing") for name in ("web", "db", "cache")}
        wanted = {"web": 2, "db": 1, "cache": 1}
        return all(len(in_dns[name]) == len(healthy[name]) == count for name, count in wanted.items())

    def default_deny(self):
        w = self.w
        status, _, _ = w.a.curl("http://web.mesh/", check=False)
        expect(status != 0, "web.mesh answers although nothing allows it")
        w.a.ctl("intentions", "allow", "web", "db")
        w.a.ctl("intentions", "allow", f"node/{w.a.name}", "db")
        for host in w.hosts:
            for service in ("web", "cache"):
                w.a.ctl("intentions", "allow", f"node/{host.name}", service)
        started = time.monotonic()
        wait_until("web.mesh answers", lambda: w.reaches_web(w.a))
        return f"curl http://web.mesh/ is refused; meshctl intentions allow node/... web: it answers {1000 * (time.monotonic() - started):.0f} ms later"
