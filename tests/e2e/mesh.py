"""A mesh on hosts of hosts.py: configuration, cluster, joins, daemons, and what people do with them.

Every host runs its own meshd-steer and meshd with folders of its own; programs on it reach the agent through the host's
socket, DNS through its ordinary resolver.
"""

import json
import os
import shutil
import signal
import socket
import sys
import threading

from harness import Failed, Http, Steps, expect, wait_until
from hosts import Network

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
        self.server = os.path.join(build, "daemon", "meshd-server")

    def installed(self, folder):
        """Copies in one folder that every user may enter, as an installation has them."""
        os.makedirs(folder)
        os.chmod(folder, 0o755)
        for name in ("meshd", "meshctl", "steer", "server"):
            setattr(self, name, shutil.copy(getattr(self, name), folder))
        return self


class MeshHost:
    """One host: its files, its daemons, and meshctl on it."""

    def __init__(self, host, programs, user=None):
        self.host = host
        self.programs = programs
        self.user = user  # of the daemon; None: root
        self.daemon = None
        self.steer = None
        self.config = host.path("etc", "meshd.yaml")
        self.conf_dir = host.path("etc", "conf.d")
        os.makedirs(self.conf_dir)
        with open(self.config, "w") as out:
            out.write(CONFIG.format(name=host.name, data=host.path("data"), run=host.path("run"), address=host.address))
        self.give_to_user("run")

    def give_to_user(self, folder):
        """What packages do by the daemon's user of their own; here the user is one of the test's choice."""
        if self.user:
            self.host.run(["chown", "-R", self.user, self.host.path(folder)])

    @property
    def name(self):
        return self.host.name

    @property
    def place(self):
        return ["--config", self.config, "--conf-dir", self.conf_dir]

    @property
    def socket(self):
        return f"unix:{self.host.path('run', 'agent.sock')}"

    @property
    def http(self):
        """The agent's HTTP API over its socket."""
        return Http(self.socket)

    def ctl(self, *words, check=True, timeout=30.0):
        """meshctl through this host's socket; returns what it printed."""
        command = [self.programs.meshctl, *words, "--address", self.socket]
        return self.host.run(command, timeout=timeout, check=check)[1]

    def ctl_json(self, *words):
        return json.loads(self.ctl(*words, "--json"))

    def add_service_file(self, name, text):
        with open(os.path.join(self.conf_dir, f"{name}.yaml"), "w") as out:
            out.write(text)

    def remove_service_file(self, name):
        os.remove(os.path.join(self.conf_dir, f"{name}.yaml"))

    def init(self, default="deny"):
        _, out, _ = self.host.run([self.programs.meshctl, "cluster", "init", "--no-start", "--json", "--default", default, *self.place])
        self.give_to_user("data")
        return json.loads(out)

    def join(self, token):
        path = self.host.path("token")
        with open(path, "w") as out:
            out.write(token)
        _, out, _ = self.host.run([self.programs.meshctl, "join", "--no-start", "--json", "--token-file", path, *self.place])
        os.remove(path)
        self.give_to_user("data")
        return json.loads(out)

    def start_steer(self):
        self.steer = self.host.start([self.programs.steer, "serve", "--run-dir", self.host.path("run"),
                                      "--bpf-dir", self.host.path("bpf", "meshd"), "--user", self.user or "root"], "steer")

    def start_daemon(self, verb):
        self.verb = verb
        self.daemon = self.host.start([self.programs.meshd, verb, *self.place], f"meshd-{verb}", user=self.user)
        wait_until(f"{self.name} serves its socket", self.answers, 30)

    def reload(self):
        """What systemctl reload does."""
        self.daemon.process.send_signal(signal.SIGHUP)

    def answers(self):
        expect(self.daemon.process.poll() is None, f"{self.name}'s daemon ended: {self.daemon.log_tail()}")
        try:
            return self.http.call("GET", "/v1/agent/self")[0] == 200
        except (FileNotFoundError, ConnectionRefusedError):
            return False

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


def run_steps(name, count, make):
    """The main program of a test: makes `count` hosts, then test = make(network, programs), and runs test.steps() until one
    fails, which shows the logs of test.hosts. Ends the process.
    """
    steps = Steps()
    try:
        with Network(name, count) as network:
            test = make(network, Programs(sys.argv[1]))
            for step in test.steps():
                steps.daemons = [host.daemon for host in test.hosts if host.daemon]
                if not steps.step(step.__name__.replace("_", " "), step):
                    break
    except Failed as failure:
        print(f"FAIL  {failure}")
        steps.failed += 1
    steps.finish()
