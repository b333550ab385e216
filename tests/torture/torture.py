#!/usr/bin/env python3
"""Real servers that are killed under load: three servers and an agent on hosts of their own, writers at the agent.

    torture.py BUILD-FOLDER --rounds N --seed S

A round: writers write; servers are struck (SIGKILL and start anew, a pause, a cable taken out); the writers stop; then
every acknowledged write must be there in every server's own view, nothing else, and the servers' states must be equal.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [here, os.path.join(os.path.dirname(here), "e2e")]
from harness import Failed, expect, wait_until  # noqa: E402
from hosts import Network  # noqa: E402
from mesh import MeshHost, Programs  # noqa: E402
from writers import COUNTER, Book, SocketHttp, Writers, counter_of, value_of  # noqa: E402

SERVERS = 3
WRITERS = 4
CALM_SECONDS = 0.5             # of writing before and after a strike
RESUME_SECONDS_MAX = 10.0      # from the end of a strike until writes are acknowledged again
AGREE_SECONDS_MAX = 20.0       # from the end of the load until all servers hold the same


class Cluster:
    def __init__(self, network, programs):
        self.network = network
        hosts = [MeshHost(host, programs) for host in network.hosts]
        self.servers, self.agent = hosts[:SERVERS], hosts[SERVERS]
        self.starts = 0

    @property
    def hosts(self):
        return [*self.servers, self.agent]

    def build(self):
        first = self.servers[0]
        first.init(default="allow")
        first.start_daemon("server")
        wait_until("a leader", lambda: first.ctl_json("cluster", "status")["Leader"], 15)
        for server in self.servers[1:]:
            server.join(first.ctl("token", "join", "--server").strip())
            server.start_daemon("server")
        wait_until("three voters", lambda: len(self.status(first)["Voters"] or []) == SERVERS, 30, pause=0.1)
        self.agent.join(first.ctl("token", "join").strip())
        self.agent.start_daemon("agent")

    def restart(self, server):
        self.starts += 1
        server.daemon = server.host.start([server.programs.meshd, "server", *server.place], f"meshd-server-{self.starts:04d}")

    def call(self, host, method, target):
        """Over the host's own agent socket: (status, body), None if it does not answer."""
        client = SocketHttp(self.socket(host))
        try:
            return client.call(method, target)
        except OSError:
            return None
        finally:
            client.close()

    @staticmethod
    def socket(host):
        return host.host.path("run", "agent.sock")

    def status(self, host):
        answer = self.call(host, "GET", "/v1/mesh/cluster")
        return json.loads(answer[1]) if answer and answer[0] == 200 else {}

    def leader(self):
        for host in self.servers:
            address = self.status(host).get("Leader") or ""
            for server in self.servers:
                if address.startswith(f"{server.host.address}:"):
                    return server
        return self.servers[0]

    def stale(self, host, target):
        """Entries as this server holds them; None if it does not answer."""
        answer = self.call(host, "GET", f"/v1/kv/{target}{'&' if '?' in target else '?'}stale")
        if answer is None or answer[0] not in (200, 404):
            return None
        return json.loads(answer[1]) if answer[0] == 200 else []


# --- strikes: each returns what it did ---

def kill(cluster, victims, rng):
    down = rng.uniform(0, 2)
    for victim in victims:
        victim.daemon.process.kill()
        victim.daemon.process.wait()
    time.sleep(down)
    for victim in victims:
        cluster.restart(victim)
    for victim in victims:
        wait_until(f"{victim.name} serves its socket", victim.answers, 15)
    return f"{', '.join(v.name for v in victims)} killed for {down:.1f} s"


def pause(victim, rng):
    length = rng.uniform(0.5, 3)
    victim.daemon.process.send_signal(signal.SIGSTOP)
    time.sleep(length)
    victim.daemon.process.send_signal(signal.SIGCONT)
    return f"{victim.name} paused for {length:.1f} s"


def unplug(cluster, victim, rng):
    length = rng.uniform(0.5, 3)
    cluster.network.partition(victim.host, cut=True)
    time.sleep(length)
    cluster.network.partition(victim.host, cut=False)
    return f"{victim.name} without its cable for {length:.1f} s"


def strike(cluster, rng):
    lot = rng.random()
    anyone = rng.choice(cluster.servers)
    if lot < 0.35:
        return kill(cluster, [anyone], rng)
    if lot < 0.65:
        return "leader " + kill(cluster, [cluster.leader()], rng)
    if lot < 0.75:
        return kill(cluster, rng.sample(cluster.servers, 2), rng)
    if lot < 0.85:
        return kill(cluster, cluster.servers, rng)
    if lot < 0.93:
        return pause(cluster.leader() if rng.random() < 0.5 else anyone, rng)
    return unplug(cluster, cluster.leader() if rng.random() < 0.5 else anyone, rng)


# --- rounds ---

class Torture:
    def __init__(self, cluster, seed):
        self.cluster = cluster
        self.seed = seed
        self.books = []

    def round(self, number):
        rng = random.Random(self.seed * 1_000_003 + number)
        book = Book(f"torture/{number:04d}/")
        self.books.append(book)
        began = time.monotonic()
        writers = Writers(Cluster.socket(self.cluster.agent), book, WRITERS, self.seed)
        try:
            wait_until("a first acknowledged write", lambda: book.acknowledged, RESUME_SECONDS_MAX)
            time.sleep(CALM_SECONDS)
            done = strike(self.cluster, rng)
            struck = time.monotonic()
            wait_until("an acknowledged write after the strike", lambda: book.acknowledged_since(struck) > WRITERS, RESUME_SECONDS_MAX)
            time.sleep(CALM_SECONDS)
        finally:
            ended = writers.stop()
        expect(ended, "a writer hangs: its request was neither answered nor given up")
        waited = book.longest_wait(began, time.monotonic())
        agreed = self.agree(book)
        unknown = len(book.tried) - len(book.acknowledged)
        return f"{done}; {len(book.acknowledged)} writes acknowledged, {unknown} not; longest wait {waited:.1f} s; {agreed}"

    def agree(self, book):
        end = time.monotonic() + AGREE_SECONDS_MAX
        while True:
            lacking = {server.name: self.lacks(server, book) for server in self.cluster.servers}
            states = [(s.get("AppliedIndex"), s.get("StateHash")) for s in map(self.cluster.status, self.cluster.servers)]
            if not any(lacking.values()) and len(set(states)) == 1 and states[0][1]:
                return f"all at {states[0][0]} with state {states[0][1]}"
            if time.monotonic() > end:
                told = "; ".join(f"{name}: {text}" for name, text in lacking.items() if text)
                raise Failed(f"{AGREE_SECONDS_MAX:g} s after the load: {told or 'nothing is lost'}; states {states}")
            time.sleep(0.1)

    # What this server's view lacks of the book; empty if nothing. What can never become right fails at once.
    def lacks(self, server, book):
        entries = self.cluster.stale(server, f"{book.prefix}?recurse")
        counter = self.cluster.stale(server, COUNTER)
        if entries is None or counter is None:
            return "does not answer"
        there = {entry["Key"]: value_of(entry) for entry in entries}
        for key, value in there.items():
            expect(book.tried.get(key) == value, f"{server.name} holds {key} = {value!r}, written was {book.tried.get(key)!r}")
        missing = sorted(book.acknowledged - there.keys())
        count = counter_of(counter[0])[0] if counter else 0
        low = sum(b.counted for b in self.books)
        high = low + sum(b.counts_unknown for b in self.books)
        expect(count <= high, f"{server.name} counts {count}, at most {high} were asked for")
        if missing:
            return f"lacks {len(missing)} acknowledged writes, the first {missing[0]}"
        return f"counts {count}, acknowledged were {low}" if count < low else ""

    # Everything that was ever acknowledged, once more.
    def check_all(self):
        for book in self.books:
            self.agree(book)


def keep_logs(cluster, folder):
    shutil.rmtree(folder, ignore_errors=True)
    for host in cluster.hosts:
        target = os.path.join(folder, host.name)
        os.makedirs(target)
        for name in os.listdir(host.host.folder):
            if name.endswith(".log"):
                shutil.copy(host.host.path(name), target)
    return folder


def run(options):
    rounds = failed = 0
    with Network("torture", SERVERS + 1) as network:
        cluster = Cluster(network, Programs(options.build))
        torture = Torture(cluster, options.seed)
        try:
            cluster.build()
            print(f"{SERVERS} servers and an agent; seed {options.seed}", flush=True)
            while rounds < options.rounds:
                rounds += 1
                print(f"ok    round {rounds}: {torture.round(rounds)}", flush=True)
            torture.check_all()
        except (Failed, OSError, subprocess.TimeoutExpired, ValueError) as failure:
            failed = 1
            kept = keep_logs(cluster, os.path.join(options.build, "torture"))
            print(f"FAIL  round {rounds}: {failure}\n      logs: {kept}", flush=True)
    print(f"{rounds} rounds, {failed} failed", flush=True)
    return 1 if failed or rounds == 0 else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    sys.exit(run(parser.parse_args()))


main()
