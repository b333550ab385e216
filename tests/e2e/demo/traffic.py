"""Steps with traffic: real clients reach real programs by name, on hosts that run none of them."""

import json
import sys
import time

from harness import expect, wait_until
from mesh import Capture, open_port
from programs import Nginx
from world import LOAD, WEB_USER, failures_text

SECRET = "a value that only the two ends may read"


class TrafficSteps:
    def __init__(self, world):
        self.w = world

    def steps(self):
        return [("curl, psql and redis-cli by name", self.clients),
                ("nothing readable on the wire", self.capture),
                ("programs bind the ports that the mesh serves", self.same_ports),
                ("an unhealthy instance leaves at once", self.failing_check),
                ("added latency", self.latency)]

    def clients(self):
        w = self.w
        expect(not open_port(w.a.host, 80) and not open_port(w.a.host, 8080), f"{w.a.name} runs a web server")
        told = [f"curl web.mesh on {host.name}: {w.both_pages(host)}" for host in (w.a, w.d)]
        version = w.sql(w.a, "show server_version").split()[0]
        expect(w.redis(w.a, "set", "color", "blue") == "OK" and w.redis(w.e, "get", "color") == "blue", "redis does not answer")
        told.append(f"psql -h db.mesh on {w.a.name}: PostgreSQL {version}")
        told.append(f"redis-cli -h cache.mesh: set on {w.a.name}, read on {w.e.name}")
        return "; ".join(told)

    def capture(self):
        """The same bytes twice: through the mesh, then past it, which shows that the capture would have seen them."""
        w = self.w
        w.sql(w.a, "create table if not exists notes (text text)")
        capture = Capture(w.network)
        w.both_pages(w.a)
        w.sql(w.a, f"insert into notes values ('{SECRET}')")
        expect(SECRET in w.sql(w.a, "select text from notes"), "the row is not there")
        w.redis(w.a, "set", "note", SECRET)
        expect(w.redis(w.a, "get", "note") == SECRET, "the key is not there")
        data = capture.stop()
        for text in (SECRET, "that only the two ends may read", "SELECT", "select text", "GET / HTTP"):
            expect(text.encode() not in data, f"{text!r} was on the wire in clear")
        expect(capture.packets > 50, f"the capture holds {capture.packets} packets only")
        control = Capture(w.network)
        w.a.curl(f"http://{w.e.host.address}:8080/")
        expect(b"that only the two ends may read" in control.stop(), "the capture does not see what is in clear")
        return (f"web, db and cache called from {w.a.name}: {capture.packets} packets, {len(data) // 1024} KiB on the bridge hold none of the payload; "
                "the same page fetched past the mesh is readable in a capture")

    def same_ports(self):
        """nginx on 0.0.0.0:80 of a host whose agent answers web.mesh:80; PostgreSQL on 0.0.0.0:5432 beside db.mesh:5432."""
        w = self.w
        own = Nginx(w.a, "a page of host a's own", port=80, user="root", name="own-nginx")
        for _ in range(2):
            own.start()
            expect(w.a.curl("http://127.0.0.1/")[1] == "a page of host a's own\n", "the program's own port gives another page")
            answers = w.both_pages(w.a)
            own.stop()
        for name in ("db", "web on e"):
            w.programs[name].stop()
            w.programs[name].start()
        wait_until("db and both instances of web are back",
                   lambda: len(w.a.dig("web.service.mesh")) == 2 and w.sql(w.a, "select 1", check=False)[1] == "1")
        expect(w.sql(w.e, "select 1", user=WEB_USER) == "1", "db.mesh on the host of PostgreSQL itself")
        w.both_pages(w.e)
        return (f"nginx on 0.0.0.0:80 of {w.a.name}, twice, while web.mesh:80 there gave {answers}; "
                f"PostgreSQL on 0.0.0.0:5432 and nginx on 0.0.0.0:8080 of {w.e.name} stopped and started beside db.mesh:5432 and web.mesh:8080")

    def failing_check(self):
        w = self.w
        nginx = w.programs["web on e"]
        load = w.start_load(w.a, "load-check", "http", "http://web.mesh/", "--per-connection", "1", "--rate", "15")
        nginx.set_healthy(False)
        began = time.monotonic()
        wait_until("the instance left DNS", lambda: len(w.a.dig("web.service.mesh")) == 1, 10)
        gone = time.monotonic() - began
        alone = w.pages(w.a, times=8)
        nginx.set_healthy(True)
        began = time.monotonic()
        wait_until("the instance is back in DNS", lambda: len(w.a.dig("web.service.mesh")) == 2, 10)
        back = time.monotonic() - began
        answers = w.both_pages(w.a)
        result = load.stop()
        expect(result["failed"] == 0, f"{result['failed']} of {result['requests']} requests failed: {failures_text(result)}")
        expect(set(alone) == {w.d.name}, f"traffic still reached {alone}")
        w.figures.append(("failing check (every 1 s) until gone from DNS and traffic of another host", f"{gone:.2f} s"))
        return (f"/health of {w.e.name} gave 404: out of DNS on {w.a.name} after {gone:.2f} s, 8 of 8 calls to {w.d.name}; healthy: back after {back:.2f} s, {answers}; "
                f"{result['requests']} requests meanwhile, 0 failed")

    def latency(self):
        w = self.w
        nginx = w.programs["web on e"]
        w.programs["web on d"].set_healthy(False)
        wait_until("one instance left", lambda: len(w.d.dig("web.service.mesh")) == 1, 10)
        _, out, _ = w.d.host.run([sys.executable, LOAD, "latency", "http://web.mesh/", f"http://{w.e.host.address}:{nginx.port}/"], timeout=60)
        w.programs["web on d"].set_healthy(True)
        figures = json.loads(out)
        wait_until("both instances again", lambda: len(w.d.dig("web.service.mesh")) == 2, 10)
        added = {what: figures["mesh"][what] - figures["direct"][what] for what in ("request", "connect")}
        for what, text in (("request", "p50 of a request on an open connection"), ("connect", "p50 of a new connection and one request")):
            w.figures.append((f"{text}, {w.d.name} to {w.e.name}",
                              f"{figures['mesh'][what]:.2f} ms, direct without TLS {figures['direct'][what]:.2f} ms: +{added[what]:.2f} ms"))
        return f"+{added['request']:.2f} ms p50 a request, +{added['connect']:.2f} ms with a new connection (TLS handshake and policy included)"
