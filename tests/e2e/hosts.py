"""Hosts of a mesh on one machine: network namespaces on a bridge, each with folders and a resolver of its own.

    with Network("mesh", 2) as network:
        a, b = network.hosts
        b.start(["nginx", "-c", conf], "nginx")     a long-running program, stopped at the end
        a.run(["curl", "http://web.mesh/"])          one that ends by itself

Needs root. A host's programs see its own network, and its /etc/resolv.conf (file resolv_conf). Nothing outside the
namespaces is changed; leaving the block stops every program by pid and removes the namespaces.
"""

import os
import shutil
import signal
import subprocess
import tempfile

from harness import Daemon, Failed, as_user, run

NETNS_ETC = "/etc/netns"  # `ip netns exec NAME` puts the files below NETNS_ETC/NAME over those of /etc


class Host:
    def __init__(self, network, number):
        self.name = f"{network.name}-{chr(ord('a') + number)}"
        self.namespace = f"{self.name}-{os.getpid()}"
        self.address = f"10.77.0.{11 + number}"
        self.folder = os.path.join(network.folder, self.name)
        self.programs = []
        for folder in ("etc", "data", "run", "bpf"):
            os.makedirs(os.path.join(self.folder, folder))
        self.etc = os.path.join(NETNS_ETC, self.namespace)
        os.makedirs(self.etc)
        self.set_resolver("127.128.0.53")

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def set_resolver(self, address):
        with open(os.path.join(self.etc, "resolv.conf"), "w") as out:
            out.write(f"nameserver {address}\noptions timeout:2 attempts:2\n")

    def inside(self, command, user=None):
        """The command as it runs in this host, by default as root. ip execs it: its pid is the program's."""
        return ["ip", "netns", "exec", self.namespace, *as_user(user), *command]

    def run(self, command, timeout=30.0, check=True, user=None):
        return run(self.inside(command, user), timeout=timeout, check=check)

    def start(self, command, log_name, user=None, env=None, stop_signal=signal.SIGTERM):
        program = Daemon(self.inside(command, user), self.path(f"{log_name}.log"), env)
        program.stop_signal = stop_signal
        self.programs.append(program)
        return program

    def stop(self):
        """Stops every program, also when one of them does not end in order; then raises what the first one gave."""
        failures = []
        for program in reversed(self.programs):
            try:
                if program.process.poll() is None:
                    program.stop(program.stop_signal)
            except Failed as failure:
                failures.append(failure)
        self.programs = []
        if failures:
            raise failures[0]


class Network:
    """A bridge and hosts on it, 10.77.0.11 and up; the bridge has a namespace of its own."""

    def __init__(self, name, hosts):
        if os.geteuid() != 0:
            raise Failed("hosts are network namespaces: this needs root")
        self.name = name
        self.count = hosts
        self.bridge = f"{name}-br-{os.getpid()}"

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix=f"{self.name}-")
        os.chmod(self.folder, 0o755)
        self.hosts = []
        try:
            self.ip("netns", "add", self.bridge)
            self.in_bridge("link", "add", "br0", "type", "bridge")
            self.in_bridge("link", "set", "br0", "up")
            self.in_bridge("link", "set", "lo", "up")
            for number in range(self.count):
                self.add_host(number)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def add_host(self, number):
        host = Host(self, number)
        self.hosts.append(host)
        self.ip("netns", "add", host.namespace)
        self.in_bridge("link", "add", f"v{number}", "type", "veth", "peer", "name", "eth0", "netns", host.namespace)
        self.in_bridge("link", "set", f"v{number}", "master", "br0", "up")
        for words in (["link", "set", "lo", "up"], ["addr", "add", f"{host.address}/24", "dev", "eth0"],
                      ["link", "set", "eth0", "up"], ["route", "add", "default", "dev", "eth0"]):
            self.ip("-n", host.namespace, *words)
        run(["mount", "-t", "bpf", "bpf", host.path("bpf")])

    def __exit__(self, *_):
        failures = []
        for host in self.hosts:
            for action in (host.stop, lambda h=host: run(["umount", h.path("bpf")], check=False),
                           lambda h=host: self.ip("netns", "del", h.namespace)):
                try:
                    action()
                except (Failed, OSError, subprocess.TimeoutExpired) as failure:
                    failures.append(failure)
            shutil.rmtree(host.etc, ignore_errors=True)
        run(["ip", "netns", "del", self.bridge], check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
        for failure in failures:
            print(f"      at the end: {failure}", flush=True)

    @staticmethod
    def ip(*words):
        run(["ip", *words])

    def in_bridge(self, *words):
        self.ip("-n", self.bridge, *words)

    def partition(self, host, cut):
        """Takes a host's cable out, or puts it back."""
        number = self.hosts.index(host)
        self.in_bridge("link", "set", f"v{number}", "down" if cut else "up")
