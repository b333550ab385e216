"""Writers that put keys through one agent and remember what was acknowledged.

Each writer is a thread with its own connection. Every key is written once, with a value that is used once; beside that
all count one register up by compare-and-set. What is remembered of a write: acknowledged (status 200 and `true`),
refused for sure, or unknown (an error, a timeout, a broken connection: it may have happened, or happen yet).
"""

import base64
import http.client
import json
import socket
import threading
import time

WRITE_SECONDS_MAX = 15.0  # the agent's own deadline is shorter
COUNTER = "torture/counter"


class SocketHttp:
    """A kept HTTP connection to an agent's unix socket; opened anew after an error."""

    def __init__(self, path):
        self.path = path
        self.connection = None

    def call(self, method, target, body=None):
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("agent", timeout=WRITE_SECONDS_MAX)
                self.connection.sock = socket.socket(socket.AF_UNIX)
                self.connection.sock.settimeout(WRITE_SECONDS_MAX)
                self.connection.sock.connect(self.path)
            self.connection.request(method, target, body=body)
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


class Book:
    """What writers did under one prefix."""

    def __init__(self, prefix):
        self.prefix = prefix
        self.lock = threading.Lock()
        self.tried = {}          # key -> value
        self.acknowledged = set()
        self.counted = 0         # of the register: acknowledged
        self.counts_unknown = 0
        self.acknowledged_at = []

    def begin(self, key, value):
        with self.lock:
            self.tried[key] = value

    def acknowledge(self, key):
        with self.lock:
            self.acknowledged.add(key)
            self.acknowledged_at.append(time.monotonic())

    def longest_wait(self, since, until):
        with self.lock:
            times = [since, *(t for t in self.acknowledged_at if since <= t <= until), until]
        return max(b - a for a, b in zip(times, times[1:]))

    def acknowledged_since(self, moment):
        with self.lock:
            return sum(1 for t in self.acknowledged_at if t >= moment)


class Writers:
    """Some threads that write into a book until stop()."""

    def __init__(self, socket_path, book, count, seed):
        self.socket_path = socket_path
        self.book = book
        self.seed = seed
        self.ended = threading.Event()
        self.threads = [threading.Thread(target=self.write, args=(number,), daemon=True) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(WRITE_SECONDS_MAX * 3)
        return all(not thread.is_alive() for thread in self.threads)

    def write(self, writer):
        http_to_agent = SocketHttp(self.socket_path)
        n = 0
        while not self.ended.is_set():
            n += 1
            try:
                if n % 8 == 0:
                    self.count(http_to_agent)
                else:
                    self.put(http_to_agent, f"{self.book.prefix}{writer}-{n:06d}", f"{self.seed} {self.book.prefix} {writer} {n}")
            except (OSError, http.client.HTTPException):
                self.ended.wait(0.02)
        http_to_agent.close()

    def put(self, http_to_agent, key, value):
        self.book.begin(key, value)
        status, body = http_to_agent.call("PUT", f"/v1/kv/{key}", value)
        if status == 200 and body.strip() == b"true":
            self.book.acknowledge(key)
        else:
            self.ended.wait(0.02)  # no leader, or overloaded: clients do not hammer

    def count(self, http_to_agent):
        status, body = http_to_agent.call("GET", f"/v1/kv/{COUNTER}?consistent")
        if status not in (200, 404):
            return
        value, index = (0, 0) if status == 404 else counter_of(json.loads(body)[0])
        try:
            status, body = http_to_agent.call("PUT", f"/v1/kv/{COUNTER}?cas={index}", str(value + 1))
            known = status == 200
        except (OSError, http.client.HTTPException):
            known = False
        with self.book.lock:
            self.book.counted += known and body.strip() == b"true"
            self.book.counts_unknown += not known


def value_of(entry):
    return base64.b64decode(entry["Value"] or "").decode()


def counter_of(entry):
    return int(value_of(entry)), entry["ModifyIndex"]
