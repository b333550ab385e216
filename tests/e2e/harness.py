"""What end-to-end tests and the demo share: real daemons, real clients, steps that say what they did.

Everything started here is stopped by pid; every wait is bounded and says what it waited for.
"""

import http.client
import json
import os
import pwd
import re
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.parse

READY_SECONDS_MAX = 10.0


class Failed(Exception):
    """A step that did not hold; the text says what was expected and what came."""


def expect(condition, text):
    if not condition:
        raise Failed(text)


def run(command, timeout=10.0, check=True, env=None):
    """Runs a program to its end; returns (exit status, stdout, stderr) as text."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=env, check=False)
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
    return done.returncode, done.stdout, done.stderr


def as_user(user):
    """Words before a command that make it run as this user; None: as it is. A number need not be a user of this machine."""
    if isinstance(user, int):
        return ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    return ["setpriv", f"--reuid={user}", f"--regid={pwd.getpwnam(user).pw_gid}", "--init-groups"] if user else []


def wait_until(what, probe, seconds=5.0, pause=0.01):
    """Calls probe until it returns something true; Failed after the given time."""
    end = time.monotonic() + seconds
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"{what} did not happen within {seconds:g} s")
        time.sleep(pause)


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket, where the agent knows by the kernel's word who asks."""

    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Http:
    """A plain HTTP client of one agent (HOST:PORT or unix:PATH); remembers nothing but the address."""

    def __init__(self, address):
        self.address = address

    def connection(self, timeout):
        if self.address.startswith("unix:"):
            return UnixConnection(self.address[len("unix:"):], timeout)
        host, port = self.address.rsplit(":", 1)
        return http.client.HTTPConnection(host, int(port), timeout=timeout)

    def call(self, method, path, body=None, headers=None, timeout=10.0):
        """Returns (status, headers as a dict with lower-case names, body bytes)."""
        connection = self.connection(timeout)
        try:
            data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
            connection.request(method, path, body=data, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def json(self, path, **query):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        status, _, body = self.call("GET", path)
        expect(status == 200, f"GET {path} gave {status}: {body[:200]!r}")
        return json.loads(body)

    def put(self, path, body=None):
        status, _, answer = self.call("PUT", path, body)
        expect(status == 200, f"PUT {path} gave {status}: {answer[:200]!r}")
        return answer


class Daemon:
    """A long-running program, often meshd. Its log goes to a file that a failed step can show."""

    stop_signal = signal.SIGTERM  # what ends it in order

    def __init__(self, command, log_path, env=None):
        self.log_path = log_path
        self.log = open(log_path, "ab")  # a restarted program goes on in it
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, env=env,
                                        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))  # else nohup's stays
        self.first_line = b""

    @property
    def pid(self):
        return self.process.pid

    def read_ready_line(self):
        """The line a daemon prints on stdout when it serves clients."""
        end = time.monotonic() + READY_SECONDS_MAX
        while b"\n" not in self.first_line:
            left = end - time.monotonic()
            readable, _, _ = select.select([self.process.stdout], [], [], max(left, 0))
            chunk = os.read(self.process.stdout.fileno(), 4096) if readable else b""
            if not chunk:
                raise Failed(f"the daemon was not ready within {READY_SECONDS_MAX:g} s; its log ends:\n{self.log_tail()}")
            self.first_line += chunk
        self.ready_seconds = time.monotonic() - self.started
        return self.first_line.split(b"\n")[0].decode()

    def log_tail(self, lines=20):
        with open(self.log_path, errors="replace") as log:
            return "".join(log.readlines()[-lines:])

    def log_text(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def complaints(self, lines=12):
        """The last warnings and errors that meshd wrote (levels as journald knows them, docs in base/log.h)."""
        return "".join([line for line in self.log_text().splitlines(keepends=True) if re.match(r"<[0-4]>", line)][-lines:])

    def stop(self, how=signal.SIGINT, seconds=10.0):
        """Signals the process and waits; returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise Failed(f"the daemon did not end within {seconds:g} s of {how.name}; its log ends:\n{self.log_tail()}")
        self.log.close()
        self.process.stdout.close()
        return self.process.returncode

    def memory_mib(self):
        """Resident set size."""
        with open(f"/proc/{self.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) / 1024

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class DevDaemon(Daemon):
    """`meshd dev` on ports of its own choice."""

    def __init__(self, meshd, log_path, arguments=(), env=None, user=None):
        super().__init__([*as_user(user), meshd, "dev", "--http-port", "0", "--dns-port", "0", *arguments], log_path, env)
        line = self.read_ready_line()
        found = re.search(r"HTTP (\S+), DNS (\S+), data (\S+)", line)
        if not found:
            self.stop(signal.SIGKILL)
            raise Failed(f"the ready line is not understood: {line!r}")
        self.http_address, self.dns_address, self.data_dir = found.groups()
        self.http = Http(self.http_address)

    def dig(self, name, kind="A", *options):
        """The lines of `dig +short`."""
        host, port = self.dns_address.rsplit(":", 1)
        _, out, _ = run(["dig", f"@{host}", "-p", port, "+tries=1", "+time=2", "+short", *options, name, kind])
        return out.split("\n")[:-1]

    def dig_status(self, name, kind="A"):
        """The response code that dig shows, e.g. NOERROR or NXDOMAIN."""
        host, port = self.dns_address.rsplit(":", 1)
        _, out, _ = run(["dig", f"@{host}", "-p", port, "+tries=1", "+time=2", name, kind])
        return re.search(r"status: (\w+)", out).group(1)


class Steps:
    """Runs named steps in order, one line each; counts what held. A step returns the text of what came out.

    show: what of a daemon's log is shown when a step fails.
    """

    def __init__(self, show=Daemon.log_tail):
        self.show = show
        self.passed = 0
        self.failed = 0
        self.daemons = []
        self.rows = []  # (name, whether it held, seconds)

    def step(self, name, function):
        started = time.monotonic()
        held = self.outcome(name, function)
        self.rows.append((name, held, time.monotonic() - started))
        return held

    def outcome(self, name, function):
        try:
            outcome = function()
            self.passed += 1
            print(f"ok    {name}: {outcome}", flush=True)
            return True
        except (Failed, subprocess.TimeoutExpired, OSError, AssertionError) as failure:
            self.failed += 1
            print(f"FAIL  {name}: {failure}", flush=True)
            for daemon in self.daemons:
                lines = self.show(daemon)
                if lines:
                    print(f"      log of {daemon.log_path}:\n{lines}", flush=True)
            return False

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        sys.exit(1 if self.failed or not self.passed else 0)
