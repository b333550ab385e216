"""A mesh on hosts of hosts.py: configuration, cluster, joins, daemons, and what people do with them.

Every host runs its own meshd-steer and meshd with folders of its own; programs on it reach the agent through the host's
socket, DNS through its ordinary resolver.
"""

import json
import os
import socket
import threading

from harness import expect, wait_until

CONFIG = """node: {name}
data_dir: {data}
run_dir: {run}
bind: {address}
log: {{level: info}}
"""


class Programs:
    """Where the built programs are."""

    def __init__(self, build):
        self.meshd = os.path.join(build, "daemon", "meshd")
        self.meshctl = os.path.join(build, "cli", "meshctl")
        self.steer = os.path.join(build, "daemon", "steer", "meshd-steer")


class MeshHost:
    """One host: its files, its daemons, and meshctl on it."""

    def __init__(self, host, programs):
        self.host = host
        self.programs = programs
        self.daemon = None
        self.steer = None
        self.config = host.path("etc", "meshd.yaml")
        self.conf_dir = host.path("etc", "conf.d")
        os.makedirs(self.conf_dir)
        with open(self.config, "w") as out:
            out.write(CONFIG.format(name=host.name, data=host.path("data"), run=host.path("run"), address=host.address))

    @property
    def name(self):
        return self.host.name

    @property
    def place(self):
        return ["--config", self.config, "--conf-dir", self.conf_dir]

    def ctl(self, *words, check=True, timeout=15.0):
        """meshctl through this host's socket; returns what it printed."""
        command = [self.programs.meshctl, *words, "--address", f"unix:{self.host.path('run', 'agent.sock')}"]
        return self.host.run(command, timeout=timeout, check=check)[1]

    def ctl_json(self, *words):
        return json.loads(self.ctl(*words, "--json"))

    def add_service_file(self, name, text):
        with open(os.path.join(self.conf_dir, f"{name}.yaml"), "w") as out:
            out.write(text)

    def init(self, default="deny"):
        _, out, _ = self.host.run([self.programs.meshctl, "cluster", "init", "--no-start", "--json", "--default", default, *self.place])
        return json.loads(out)

    def join(self, token):
        path = self.host.path("token")
        with open(path, "w") as out:
            out.write(token)
        _, out, _ = self.host.run([self.programs.meshctl, "join", "--no-start", "--json", "--token-file", path, *self.place])
        os.remove(path)
        return json.loads(out)

    def start_steer(self):
        self.steer = self.host.start([self.programs.steer, "serve", "--run-dir", self.host.path("run"),
                                      "--bpf-dir", self.host.path("bpf", "meshd")], "steer")

    def start_daemon(self, verb):
        self.verb = verb
        self.daemon = self.host.start([self.programs.meshd, verb, *self.place], f"meshd-{verb}")
        wait_until(f"{self.name} serves its socket", self.answers, 10)

    def answers(self):
        expect(self.daemon.process.poll() is None, f"{self.name}'s daemon ended: {self.daemon.log_tail()}")
        return self.host.run([self.programs.meshctl, "cluster", "status", "--address",
                              f"unix:{self.host.path('run', 'agent.sock')}"], check=False)[0] == 0

    def dig(self, name, kind="A", server=None):
        """dig +short through the host's own resolver file."""
        at = [f"@{server}"] if server else []
        _, out, _ = self.host.run(["dig", *at, "+tries=1", "+time=2", "+short", name, kind], check=False)
        return [line for line in out.split("\n") if line]

    def curl(self, url, *options, check=True, user=None):
        return self.host.run(["curl", "-sS", "-m", "5", *options, url], check=check, user=user)


class Capture:
    """Everything that crosses a network's bridge, until stop(); for saying what is not in it."""

    def __init__(self, network):
        self.data = bytearray()
        self.packets = 0
        there = os.open(f"/run/netns/{network.bridge}", os.O_RDONLY)
        self.ready = threading.Event()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.listen, args=(there,), daemon=True)
        self.thread.start()
        self.ready.wait(5)

    def listen(self, namespace):
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(namespace, 0x40000000) != 0:  # this thread only
            return
        tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
        tap.settimeout(0.1)
        self.ready.set()
        while not self.ended.is_set():
            try:
                packet = tap.recv(65535)
            except TimeoutError:
                continue
            self.packets += 1
            self.data += packet
        tap.close()
        os.close(namespace)

    def stop(self):
        self.ended.set()
        self.thread.join(5)
        return bytes(self.data)


def open_port(host, port):
    """Whether something listens on the host's port, seen from outside."""
    return host.run(["bash", "-c", f"exec 3<>/dev/tcp/{host.address}/{port}"], check=False)[0] == 0
