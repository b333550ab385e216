#!/usr/bin/env python3
"""The installed units under a real systemd, on two hosts of systemd-nspawn. scripts/nspawn makes what this needs.

    nspawn_test.py BUILD-FOLDER TREE [--keep]
"""

import json
import os
import re
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Failed, Steps, expect, run, wait_until  # noqa: E402
from hosts import Network  # noqa: E402
from nspawn_host import SystemdHost  # noqa: E402

SERVER, AGENT, STEER = "meshd-server.service", "meshd.service", "meshd-steer.service"
WATCHDOG_SECONDS = 4
MEMBER_ALIVE, MEMBER_LEFT = 1, 3  # as Consul's API numbers them
STOP_SECONDS_MAX = 60  # TimeoutStopSec of the units


class Units:
    def __init__(self, network, build, tree):
        self.build = build
        self.a, self.b = (SystemdHost(host, tree, build) for host in network.hosts)

    def boot(self):
        told = []
        # Host a may steer by sk_lookup, as a real machine; host b may not, as in an ordinary container.
        for host, options in ((self.a, self.bpf(self.a)), (self.b, [])):
            host.write("/etc/meshd/meshd.yaml", f"bind: {host.host.address}\n")
            host.write("/etc/resolv.conf", "nameserver 127.128.0.53\n")
            told.append(f"{host.name} is {host.boot(*options)}")
        failed = self.a.run(["systemctl", "--failed", "--plain", "--no-legend"])[1].strip()
        return "; ".join(told) + (f"; failed there: {failed}" if failed else "")

    @staticmethod
    def bpf(host):
        return ["--capability=CAP_NET_ADMIN,CAP_BPF,CAP_NET_RAW", "--system-call-filter=bpf", f"--bind={host.host.path('bpf')}:/sys/fs/bpf"]

    def not_joined(self):
        self.a.run(["systemctl", "start", AGENT, SERVER], check=False)
        for unit in (AGENT, SERVER):
            state = self.a.unit(unit)
            expect(state["ActiveState"] == "inactive" and state["ConditionResult"] == "no", f"{unit}: {state['ActiveState']}")
        return "before a mesh there is none to start: both units stay inactive by their condition"

    def wait_for_unit(self, host, unit):
        def up():
            state = host.unit(unit)
            expect(state["ActiveState"] != "failed", f"{unit} failed: {host.journal(unit, '-n', '20')}")
            return state["ActiveState"] == "active" and state["StatusText"] == "serving" and state
        return wait_until(f"{unit} serves", up, 20, 0.1)

    def init(self):
        made = json.loads(self.a.run(["meshctl", "cluster", "init", "--default", "allow", "--json"])[1])
        self.cluster = made["ClusterID"]
        state = self.wait_for_unit(self.a, SERVER)
        expect(state["Type"] == "notify" and state["WatchdogUSec"] == "30s", f"Type {state['Type']}, watchdog {state['WatchdogUSec']}")
        expect(state["UnitFileState"] == "enabled", f"{SERVER} is {state['UnitFileState']}")
        steer = self.a.unit(STEER)
        expect(steer["ActiveState"] == "active", f"{STEER} is {steer['ActiveState']}: {self.a.journal(STEER)}")
        leads = wait_until("a leader", lambda: json.loads(self.a.run(["meshctl", "cluster", "status", "--json"])[1])["Leader"])
        return f"cluster init starts and enables {SERVER}, which starts {STEER}; status \"{state['StatusText']}\", leader {leads}"

    def one_of_two(self):
        before = self.a.unit(SERVER)["MainPID"]
        self.a.run(["systemctl", "start", AGENT], check=False)
        agent, server = self.a.unit(AGENT), self.a.unit(SERVER)
        expect(agent["ActiveState"] == "inactive" and agent["ConditionResult"] == "no", f"{AGENT} is {agent['ActiveState']}")
        expect(server["ActiveState"] == "active" and server["MainPID"] == before, f"{SERVER} is {server['ActiveState']}")
        return f"starting {AGENT} on a server does nothing, {SERVER} runs on"

    def owners(self):
        wanted = {"/var/lib/meshd": "meshd:meshd 750", "/var/lib/meshd/node.key": "meshd:meshd 600",
                  "/var/lib/meshd/node.json": None, "/run/meshd": None, "/run/meshd/agent.sock": "meshd:meshd 666",
                  "/run/meshd/steer.sock": None}
        told = []
        for path, want in wanted.items():
            have = self.a.run(["stat", "-c", "%U:%G %a", path])[1].strip()
            expect(want is None or have == want, f"{path} is {have}, not {want}")
            told.append(f"{os.path.basename(path)} {have}")
        others = self.a.run(["find", "/var/lib/meshd", "-perm", "/o=rwx", "-not", "-type", "l"])[1].strip()
        expect(not others, f"others may use {others}")
        strangers = self.a.run(["find", "/var/lib/meshd", "-not", "-user", "meshd"])[1].strip()
        expect(not strangers, f"not meshd's: {strangers}")
        return ", ".join(told)

    def unprivileged(self):
        pid = self.a.unit(SERVER)["MainPID"]
        status = self.a.run(["cat", f"/proc/{pid}/status"])[1]
        capabilities = re.search(r"CapEff:\s+(\w+)", status).group(1)
        user = self.a.run(["ps", "-o", "user=", "-p", pid])[1].strip()
        expect(int(capabilities, 16) == 0 and user == "meshd", f"user {user}, capabilities {capabilities}")
        return f"{SERVER} runs as {user} without any capability"

    def journal_levels(self):
        entries = [json.loads(line) for line in self.a.journal(SERVER, "-o", "json").splitlines()]
        own = [e for e in entries if e.get("_COMM", "").startswith("meshd")]
        expect(own, "the journal has no line of the daemon")
        levels = {e["PRIORITY"] for e in own}
        raw = [e["MESSAGE"] for e in own if str(e["MESSAGE"]).startswith("<")]
        expect("6" in levels and not raw, f"priorities {levels}, raw {raw[:1]}")
        return f"{len(own)} lines, priorities {', '.join(sorted(levels))}"

    def reload(self):
        self.a.write("/etc/meshd/conf.d/web.yaml", "services:\n  - {name: web, port: 8080}\n")
        self.a.run(["systemctl", "reload", SERVER])
        wait_until("web is registered", lambda: "web" in self.a.run(["meshctl", "services", "list"])[1])
        self.a.write("/etc/meshd/conf.d/bad.yaml", "services:\n  - {name: other, port: 70000}\n  - {nam: x}\n")
        self.a.run(["systemctl", "reload", SERVER])
        text = wait_until("the refusal is told", lambda: self.a.unit(SERVER)["StatusText"] != "serving" and self.a.unit(SERVER)["StatusText"])
        line = wait_until("the refusal is logged", lambda: self.a.journal(SERVER, "-p", "err", "-o", "cat"))
        expect("bad.yaml:2:" in line and "bad.yaml:3:" in line, f"the log says {line}")
        services = self.a.run(["meshctl", "services", "list"])[1]
        expect("web" in services and "other" not in services, f"services: {services}")
        os.remove(self.a.path("/etc/meshd/conf.d/bad.yaml"))
        os.remove(self.a.path("/etc/meshd/conf.d/web.yaml"))
        self.a.run(["systemctl", "reload", SERVER])
        wait_until("web is gone", lambda: "web" not in self.a.run(["meshctl", "services", "list"])[1])
        expect(self.a.unit(SERVER)["StatusText"] == "serving", f"status {self.a.unit(SERVER)['StatusText']}")
        return f"a service comes and goes; a bad file is refused with all its faults at priority err, status \"{text}\""

    def restart(self):
        before = self.a.unit(SERVER)["MainPID"]
        started = time.monotonic()
        self.a.run(["systemctl", "restart", SERVER], timeout=90)
        state = self.wait_for_unit(self.a, SERVER)
        expect(state["MainPID"] != before, "the same process")
        return f"serves again after {time.monotonic() - started:.1f} s"

    def watchdog(self):
        self.a.write(f"/etc/systemd/system/{SERVER}.d/fast.conf", f"[Service]\nWatchdogSec={WATCHDOG_SECONDS}s\n")
        self.a.run(["systemctl", "daemon-reload"])
        self.a.run(["systemctl", "restart", SERVER], timeout=90)
        before = self.wait_for_unit(self.a, SERVER)
        expect(before["WatchdogUSec"] == f"{WATCHDOG_SECONDS}s", f"watchdog {before['WatchdogUSec']}")
        time.sleep(2 * WATCHDOG_SECONDS)
        expect(self.a.unit(SERVER)["MainPID"] == before["MainPID"], "a healthy daemon was restarted")
        started = time.monotonic()
        self.a.run(["kill", "-STOP", before["MainPID"]])
        wait_until("the watchdog restarts it", lambda: self.a.unit(SERVER)["NRestarts"] > before["NRestarts"], 30, 0.2)
        after = self.wait_for_unit(self.a, SERVER)
        expect(after["MainPID"] != before["MainPID"], "the same process")
        expect("watchdog" in self.a.journal(SERVER, "-n", "60").lower(), "the journal does not speak of the watchdog")
        return f"a stopped daemon is killed and serves again after {time.monotonic() - started:.1f} s (WatchdogSec {WATCHDOG_SECONDS} s)"

    def steering(self):
        told = []
        for host, unit in ((self.a, SERVER), (self.b, AGENT)):
            line = host.journal(unit, "-o", "cat", "-g", "steering").strip().splitlines()
            expect(line, f"{unit} says nothing of steering")
            told.append(f"{host.name}: {line[-1]}")
        expect("mode=sk_lookup" in told[0], told[0])
        expect("mode=listeners" in told[1] and "try=" in told[1], told[1])
        self.a.run(["getent", "ahostsv4", f"{self.b.name}.node.mesh"])
        return "; ".join(told)

    def join(self):
        token = self.a.run(["meshctl", "token", "join"])[1]
        joined = json.loads(self.b.run(["meshctl", "join", "--token-file", "-", "--json"], stdin=token)[1])
        expect(joined["ClusterID"] == self.cluster, f"joined {joined}")
        self.wait_for_unit(self.b, AGENT)
        wait_until("two members", lambda: len(json.loads(self.a.run(["meshctl", "members", "--json"])[1])) == 2)
        return f"{self.b.name} joins by one token, {AGENT} is started and enabled"

    def reboot(self):
        for host, unit in ((self.b, AGENT), (self.a, SERVER)):
            state = host.reboot()
            self.wait_for_unit(host, unit)
        members = wait_until("both are members again", lambda: len(m := json.loads(self.b.run(["meshctl", "members", "--json"])[1])) == 2 and m)
        status = json.loads(self.a.run(["meshctl", "cluster", "status", "--json"])[1])
        expect(status["ClusterID"] == self.cluster, f"another cluster: {status}")
        return f"both hosts come back by themselves ({state}), {len(members)} members of the same cluster"

    def leave(self):
        self.b.run(["meshctl", "leave"], timeout=90)
        left = self.b.run(["find", "/var/lib/meshd", "/run/meshd", "-mindepth", "1"], check=False)[1].split()
        expect(not [path for path in left if "steer" not in path], f"left over: {left}")
        for unit in (AGENT, STEER):
            state = self.b.unit(unit)
            expect(state["ActiveState"] == "inactive" and state["UnitFileState"] != "enabled", f"{unit}: {state['ActiveState']}, {state['UnitFileState']}")
        links = self.b.run(["find", "/etc/systemd/system", "-name", "meshd*"])[1].split()
        expect(not links, f"left over: {links}")
        wait_until("one node", lambda: [node["Node"] for node in json.loads(self.a.run(["meshctl", "nodes", "--json"])[1])] == [self.a.name])
        status = {member["Name"]: member["Status"] for member in json.loads(self.a.run(["meshctl", "members", "--json"])[1])}
        expect(status == {self.a.name: MEMBER_ALIVE, self.b.name: MEMBER_LEFT}, f"members: {status}")
        return "no key, no state, no unit enabled or running; the catalog has one node, the other is a member that left"

    def stop(self):
        started = time.monotonic()
        self.a.run(["systemctl", "stop", SERVER], timeout=90)
        took = time.monotonic() - started
        state = self.a.unit(SERVER)
        expect(state["Result"] == "success" and state["ExecMainStatus"] == "0" and state["ActiveState"] == "inactive",
               f"Result {state['Result']}, status {state['ExecMainStatus']}, {state['ActiveState']}")
        expect(took < STOP_SECONDS_MAX, f"stopping took {took:.1f} s")
        return f"ends with status 0 after {took:.1f} s"

    def security(self):
        told = []
        for unit in (AGENT, SERVER, STEER):
            _, out, _ = run(["systemd-analyze", "security", "--offline=true", self.a.path(f"/usr/lib/systemd/system/{unit}")], check=False)
            level = float(re.search(r"exposure level for \S+: ([\d.]+)", out).group(1))
            expect(unit == STEER or level <= 2.0, f"{unit} has exposure {level}")
            told.append(f"{unit} {level}")
        return ", ".join(told)


def main():
    build, tree = sys.argv[1:3]
    steps = Steps()
    try:
        with Network("unit", 2) as network:
            units = Units(network, build, tree)
            try:
                for step in (units.security, units.boot, units.not_joined, units.init, units.one_of_two, units.owners, units.unprivileged,
                             units.journal_levels, units.reload, units.restart, units.join, units.steering, units.reboot,
                             units.watchdog, units.leave, units.stop):
                    if not steps.step(step.__name__.replace("_", " "), step):
                        for host in (units.a, units.b):
                            print(f"      console of {host.name}:\n{host.console()}" if host.process else "", flush=True)
                        break
            finally:
                for host in (units.a, units.b):
                    host.stop()
    except Failed as failure:
        print(f"FAIL  {failure}")
        steps.failed += 1
    steps.finish()


main()
