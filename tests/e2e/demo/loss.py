"""Steps that take servers away: the leader by SIGKILL, then all of them."""

import signal
import time

from harness import expect, wait_until
from world import WEB_USER, agree, answers, failures_text


class LossSteps:
    def __init__(self, world):
        self.w = world

    def steps(self):
        return [("the leader is killed under load", self.leader_killed),
                ("the killed server comes back", self.killed_comes_back),
                ("all servers gone", self.servers_gone),
                ("the servers come back", self.servers_back)]

    def leader_killed(self):
        """Requests between d and e must not notice; calls from the killed host itself go through the killed agent."""
        w = self.w
        self.killed = w.wait_for_leader(w.d)
        through = w.start_load(self.killed, "load-through", "http", "http://web.mesh/", "--rate", "50")
        load = w.start_load(w.d, "load-kill", "http", "http://web.mesh/", "--rate", "100")
        writes = w.start_load(w.e, "load-writes", "writes", w.e.socket.removeprefix("unix:"), "demo/gap", w.token)
        time.sleep(2)  # of load before
        self.killed.daemon.stop(signal.SIGKILL)
        killed_at = time.monotonic()
        leader = w.wait_for_leader(w.e, other_than=self.killed)
        elected = time.monotonic() - killed_at
        wait_until("gossip calls the killed host dead", lambda: self.serf_health(w.e, self.killed) == "critical", 15)
        noticed = time.monotonic() - killed_at
        time.sleep(3)  # of load after
        result, written, lost = load.stop(), writes.stop(), through.stop()
        expect(result["failed"] == 0, f"{result['failed']} of {result['requests']} requests failed: {failures_text(result)}")
        kept = set(w.keys(w.d, "demo/gap"))
        missing = [number for number in written["acknowledged"] if f"demo/gap/{number:06}" not in kept]
        expect(not missing, f"{len(missing)} acknowledged writes are lost, the first is {missing[:1]}")
        w.figures.append(("leader killed: requests failed between hosts that are not servers", f"{result['failed']} of {result['requests']}"))
        w.figures.append(("leader killed: gap in writes through a surviving agent", f"{written['gap_seconds']:.2f} s"))
        w.figures.append(("leader killed until another leads / until its host is critical in the catalog", f"{elected:.2f} s / {noticed:.2f} s"))
        return (f"SIGKILL of {self.killed.name}; {answers(result)} at {w.d.name}, 0 failed; {leader.name} leads, seen {elected:.2f} s later, its host is critical after {noticed:.2f} s; "
                f"writes at {w.e.name}: gap {written['gap_seconds']:.2f} s, {len(written['acknowledged'])} acknowledged and all there, {written['failed']} failed; "
                f"apart from that, through the killed agent: {lost['failed']} of {lost['requests']} failed")

    @staticmethod
    def serf_health(host, node):
        checks = host.http.json(f"/v1/health/node/{node.name}?stale")
        return next((check["Status"] for check in checks if check["CheckID"] == "serfHealth"), None)

    def killed_comes_back(self):
        w = self.w
        self.killed.start_daemon("server")
        began = time.monotonic()
        held = agree(w.hosts)
        expect(w.reaches_web(self.killed), "web.mesh does not answer there")
        return f"{self.killed.name} started again: the same catalog on every host {time.monotonic() - began:.1f} s later ({held}), its clients reach web.mesh"

    def servers_gone(self):
        w = self.w
        w.a.ctl("intentions", "deny", f"node/{w.e.name}", "cache")
        wait_until("the denial is in force", lambda: not self.may_use_cache(w.e))
        load = w.start_load(w.d, "load-gone", "http", "http://web.mesh/", "--rate", "50")
        for host in w.servers:
            status = host.daemon.stop(signal.SIGTERM, seconds=40)
            expect(status == 0, f"{host.name} ended with {status}")
        stopped = time.monotonic()
        self.mesh_works()
        status, _, err = w.write_key(w.d, "demo/none", "x", check=False)
        expect(status != 0, "a write without servers is acknowledged")
        time.sleep(max(0, stopped + 5 - time.monotonic()))  # of load without a server
        result = load.stop()
        expect(result["failed"] == 0, f"{result['failed']} of {result['requests']} requests failed: {failures_text(result)}")
        for host in (w.d, w.e):
            host.daemon.stop(seconds=40)
            host.start_daemon("agent")
        wait_until("restarted agents serve what they knew", lambda: all(len(host.dig("web.service.mesh")) == 2 for host in (w.d, w.e)), 10)
        self.mesh_works()
        return (f"{answers(result)} at {w.d.name}, 0 failed; curl, psql and redis-cli between {w.d.name} and {w.e.name} work by name, "
                f"node/{w.e.name} -> cache stays denied; a write is refused: {err.strip()}; both agents restarted: the same again")

    def may_use_cache(self, host):
        return self.w.redis(host, "ping", check=False) == "PONG"

    def mesh_works(self):
        """Traffic, DNS and policy between the hosts that are not servers."""
        w = self.w
        w.both_pages(w.d)
        w.both_pages(w.e)
        expect(w.sql(w.d, "select 1", user=WEB_USER) == "1", "db.mesh does not answer")
        expect(self.may_use_cache(w.d), "cache.mesh does not answer")
        expect(not self.may_use_cache(w.e), "what an intention denies is allowed")

    def servers_back(self):
        w = self.w
        for host in w.servers:
            host.start_daemon("server")
        began = time.monotonic()
        w.wait_for_leader(w.d)
        w.write_key(w.d, "demo/back", "again")
        writable = time.monotonic() - began
        expect(w.a.ctl("kv", "get", "demo/back").strip() == "again", "the key is not there")
        w.a.ctl("intentions", "allow", f"node/{w.e.name}", "cache")
        wait_until("an intention is in force again", lambda: self.may_use_cache(w.e))
        held = agree(w.hosts)
        return f"writes work {writable:.1f} s after the start, {w.e.name} may use cache again; every host's catalog is the same: {held}"
