"""The five hosts of the demo, the programs on them, and what its steps share."""

import json
import os
import sys

from harness import expect, wait_until
from mesh import MeshHost
from programs import Nginx, PostgreSQL, Redis, find

AGENT_USER = "nobody"  # the agents' user: they need no privilege; packages make a user of their own
LOAD = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "load.py")
PAGE = "a page that only the two ends may read, from {}"
SERVERS = 3
BOUND_PORT = 15432  # of the upstream db on the web server's host, for its processes only
WEB_USER = "www-data"  # runs nginx, so its processes are the service web


class World:
    """Hosts a, b, c are servers; d runs nginx and redis, e runs nginx and PostgreSQL. figures: rows of the last table."""

    def __init__(self, network, programs, figures):
        self.network = network
        self.figures = figures
        self.hosts = [MeshHost(host, programs, user=AGENT_USER) for host in network.hosts]
        self.servers, self.others = self.hosts[:SERVERS], self.hosts[SERVERS:]
        self.a, self.b, self.c, self.d, self.e = self.hosts
        self.programs = {}
        self.token = ""  # the management token
        self.psql = find("psql")

    def make_programs(self):
        self.programs = {
            "web on d": Nginx(self.d, PAGE.format(self.d.name)),
            "web on e": Nginx(self.e, PAGE.format(self.e.name)),
            "db": PostgreSQL(self.e),
            "cache": Redis(self.d),
        }
        return self.programs

    def daemons(self):
        return [program for host in self.hosts for program in (host.daemon, host.steer) if program]

    def pages(self, host, times=8, url="http://web.mesh/", user=None):
        """How many answers each nginx gave to as many calls of curl; a failed call raises."""
        counts = {}
        for _ in range(times):
            page = host.curl(url, user=user)[1].strip()
            origin = page.removeprefix(PAGE.format(""))
            expect(origin != page, f"curl gave {page!r}")
            counts[origin] = counts.get(origin, 0) + 1
        return counts

    def both_pages(self, host, **options):
        """Both nginx instances answer, in turn."""
        counts = self.pages(host, **options)
        expect(set(counts) == {self.d.name, self.e.name}, f"answers came from {counts}")
        return ", ".join(f"{count} from {name}" for name, count in sorted(counts.items()))

    def reaches_web(self, host, user=None):
        return host.curl("http://web.mesh/", check=False, user=user)[0] == 0

    def sql(self, host, statement, user=None, check=True, at=("-h", "db.mesh")):
        status, out, err = host.host.run([self.psql, *at, "-U", "postgres", "-d", "postgres", "-Atc", statement], check=check, user=user)
        return out.strip() if check else (status, out.strip(), err.strip())

    def redis(self, host, *words, check=True):
        return host.host.run([find("redis-cli"), "-h", "cache.mesh", *words], check=check)[1].strip()

    def write_key(self, host, key, value, check=True):
        """A write through a host's agent with the management token; (status, what it printed, what it complained)."""
        secret = host.host.path("secret")
        with open(secret, "w") as out:
            out.write(self.token)
        return host.host.run([host.programs.meshctl, "kv", "put", key, value, "--address", host.socket, "--secret-file", secret],
                             timeout=20, check=check)

    def keys(self, host, prefix):
        status, _, body = host.http.call("GET", f"/v1/kv/{prefix}?keys", headers={"X-Consul-Token": self.token})
        expect(status == 200, f"the keys of {prefix} gave {status}: {body[:200]!r}")
        return json.loads(body)

    def start_load(self, host, name, *words):
        """load.py on a host; the object has stop() for its result."""
        return Load(host, name, words)

    def wait_for_leader(self, host, other_than=None, seconds=10):
        """The host that leads, as another host's agent knows it."""
        def led():
            status = json.loads(host.ctl("cluster", "status", "--json", check=False) or "{}")
            return next((server for server in self.servers if server is not other_than and status.get("Leader") == f"{server.host.address}:8300"), None)
        return wait_until("a leader", led, seconds)


class Load:
    def __init__(self, host, name, words):
        self.result_path = host.host.path(f"{name}.json")
        self.program = host.host.start([sys.executable, LOAD, *words, "--result", self.result_path], name)
        self.program.read_ready_line()

    def stop(self):
        status = self.program.stop(self.program.stop_signal, 30)
        expect(status == 0, f"the load ended with {status}: {self.program.log_tail()}")
        with open(self.result_path) as result:
            return json.load(result)


def answers(result):
    """How many requests of a load each nginx answered."""
    return ", ".join(f"{count} answered by {page.removeprefix(PAGE.format(''))}" for page, count in sorted(result["answers"].items()))


def failures_text(result):
    """The first errors of a load, for a step that expected none."""
    return "; ".join(f"at {error['at']} s {error['what']}" for error in result["errors"][:3])


def content(host):
    """All of a host's copy of the catalog, for comparing with another's."""
    api = host.http
    services = api.json("/v1/catalog/services?stale")
    return {"nodes": sorted(api.json("/v1/catalog/nodes?stale"), key=lambda row: row["Node"]),
            "services": services,
            "instances": {name: sorted(api.json(f"/v1/health/service/{name}?stale"), key=lambda row: row["Node"]["Node"]) for name in services},
            "checks": sorted(api.json("/v1/health/state/any?stale"), key=lambda row: (row["Node"], row["CheckID"])),
            "intentions": sorted(api.json("/v1/connect/intentions?stale"), key=lambda row: row["ID"])}


def difference(hosts):
    """None when all hosts' copies are equal, else where the first one that differs does."""
    first = content(hosts[0])
    for host in hosts[1:]:
        other = content(host)
        for part, rows in first.items():
            if rows != other[part]:
                return f"{part} of {host.name} are {other[part]}, of {hosts[0].name} {rows}"
    return None


def critical(copy):
    return [f"{check['CheckID']} of {check['Node']} is {check['Status']}" for check in copy["checks"] if check["Status"] != "passing"]


def agree(hosts, seconds=20):
    """Waits until every host's copy of the catalog is the same and all is healthy; returns what that copy holds."""
    seen = ["nothing was seen"]

    def equal():
        seen[:] = [difference(hosts) or ", ".join(critical(content(hosts[0])))]
        return not seen[0]
    try:
        wait_until("the same healthy catalog on every host", equal, seconds, pause=0.1)
    except Exception as failure:
        raise type(failure)(f"{failure}: {seen[0]}") from None
    copy = content(hosts[0])
    return (f"{len(copy['nodes'])} nodes, {len(copy['services'])} services, {len(copy['checks'])} checks, "
            f"{len(copy['intentions'])} intentions")
