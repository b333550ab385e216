#!/usr/bin/env python3
"""The demo: what a user can do, step by step, with real programs on five hosts. scripts/demo calls it.

Hosts are network namespaces on a bridge (hosts.py): this needs root, and a kernel that lets root make namespaces,
bridges and BPF programs. Each host has folders, a resolver, a meshd-steer and an agent of its own, which runs as an
ordinary user. Waits are bounded; no step is tried again.
"""

import argparse
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dev import DevSteps  # noqa: E402
from harness import Daemon, Failed, Steps, expect  # noqa: E402
from hosts import Network  # noqa: E402
from loss import LossSteps  # noqa: E402
from make import MakeSteps  # noqa: E402
from mesh import Programs  # noqa: E402
from policy import PolicySteps  # noqa: E402
from traffic import TrafficSteps  # noqa: E402
from world import World  # noqa: E402

PARTS = {"dev": "meshd dev on loopback", "traffic": "clients reach programs by name", "policy": "who may call whom",
         "loss": "servers are killed and stopped"}


def run_all(steps, named_steps, daemons):
    """Runs steps until one fails; returns whether all held."""
    for name, step in named_steps:
        steps.daemons = daemons()
        if not steps.step(name, step):
            return False
    return True


def run_dev(steps, programs, figures):
    dev = DevSteps(programs, figures)
    try:
        return run_all(steps, dev.steps(), dev.daemons)
    finally:
        dev.stop()


def run_mesh(steps, programs, figures, parts):
    with Network("demo", 5) as network:
        programs.installed(os.path.join(network.folder, "bin"))
        world = World(network, programs, figures)
        rows = MakeSteps(world).steps()
        for part, group in (("traffic", TrafficSteps), ("policy", PolicySteps), ("loss", LossSteps)):
            if part in parts:
                rows += group(world).steps()
        rows.append(("the end", lambda: the_end(world)))
        return run_all(steps, rows, world.daemons)


def the_end(world):
    """Memory and CPU of each daemon, then every one of them ends in order."""
    for host in world.hosts:
        kind = "server" if host in world.servers else "agent"
        world.figures.append((f"{host.name}, {kind}: memory, CPU since its start {time.monotonic() - host.daemon.started:.0f} s ago",
                              f"{host.daemon.memory_mib():.1f} MiB, {host.daemon.cpu_seconds():.2f} s"))
    for host in reversed(world.hosts):
        status = host.daemon.stop(seconds=40)
        expect(status == 0, f"{host.name} ended with {status}: {host.daemon.log_tail()}")
    return "all five daemons end with status 0"


def print_table(steps, figures):
    rows = [(name, f"{'ok' if held else 'FAIL'}, {seconds:.1f} s") for name, held, seconds in steps.rows]
    width = max(len(what) for what, _ in rows + figures)
    for title, part in (("step", rows), ("figure", figures)):
        print(f"\n{title}\n{'-' * width}")
        for what, figure in part:
            print(f"{what:<{width}}  {figure}")
    print(flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", help="build folder")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="; ".join(f"{name}: {what}" for name, what in PARTS.items()))
    options = parser.parse_args()
    parts = options.only or list(PARTS)
    steps, figures, started = Steps(Daemon.complaints), [], time.monotonic()
    try:
        held = "dev" not in parts or run_dev(steps, Programs(options.build), figures)
        if held and parts != ["dev"]:
            run_mesh(steps, Programs(options.build), figures, parts)
    except Failed as failure:
        print(f"FAIL  {failure}")
        steps.failed += 1
    figures.append(("time of the whole run", f"{time.monotonic() - started:.0f} s"))
    print_table(steps, figures)
    steps.finish()


main()
