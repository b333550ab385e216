#!/usr/bin/env python3
"""Load on a mesh, run on one of its hosts; counts every request and keeps what went wrong, with the time of it.

    load.py http URL --result FILE [--threads N] [--rate N] [--per-connection N]   until SIGTERM
    load.py writes SOCKET PREFIX TOKEN --result FILE                               until SIGTERM
    load.py latency URL DIRECT-URL [--requests N]                                  prints medians

Prints "ready" after the first good answer; FILE becomes a JSON document at the end.
"""

import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import UnixConnection  # noqa: E402

ERRORS_KEPT_MAX = 20


class Count:
    """What one kind of request gave. Times are seconds since the start."""

    def __init__(self):
        self.lock = threading.Lock()
        self.started = time.monotonic()
        self.clock_started = time.time()
        self.answers = {}
        self.failed = 0
        self.errors = []
        self.good_at = []
        self.first = threading.Event()

    def good(self, answer):
        with self.lock:
            self.answers[answer] = self.answers.get(answer, 0) + 1
            self.good_at.append(time.monotonic() - self.started)
        self.first.set()

    def bad(self, failure):
        with self.lock:
            self.failed += 1
            if len(self.errors) < ERRORS_KEPT_MAX:
                self.errors.append({"at": round(time.monotonic() - self.started, 3), "what": f"{type(failure).__name__}: {failure}"})

    def gap(self):
        """The longest time between two good answers that follow each other, and when it began."""
        times = sorted(self.good_at)
        return max(((later - earlier, earlier) for earlier, later in zip(times, times[1:])), default=(0.0, 0.0))

    def result(self):
        seconds, began = self.gap()
        return {"answers": self.answers, "requests": len(self.good_at) + self.failed, "failed": self.failed, "errors": self.errors,
                "started": self.clock_started, "gap_seconds": seconds, "gap_began": began}


class Url:
    def __init__(self, text):
        parts = urllib.parse.urlsplit(text)
        self.host, self.port, self.path = parts.hostname, parts.port or 80, parts.path or "/"

    def connect(self):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def get(self, connection):
        connection.request("GET", self.path)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise OSError(f"status {answer.status}")
        return body.decode().strip()


def get_until(ended, url, count, pause, per_connection):
    """One thread of HTTP load: a connection carries some requests, then comes the next. No request is tried twice."""
    while not ended.is_set():
        connection = None
        for _ in range(per_connection):
            try:
                connection = connection or url.connect()
                count.good(url.get(connection))
            except (OSError, http.client.HTTPException) as failure:
                count.bad(failure)
                ended.wait(pause)
                break
            if ended.wait(pause):
                break
        if connection:
            connection.close()


def http_load(options, ended):
    count = Count()
    pause = options.threads / options.rate
    threads = [threading.Thread(target=get_until, args=(ended, Url(options.url), count, pause, options.per_connection))
               for _ in range(options.threads)]
    for thread in threads:
        thread.start()
    say_ready(count, ended)
    for thread in threads:
        thread.join()
    return count.result()


def write_keys(ended, options, count, acknowledged):
    """One write after the other, each to a key of its own. What failed is not tried again."""
    connection, number = None, 0
    while not ended.is_set():
        number += 1
        try:
            connection = connection or UnixConnection(options.socket, timeout=15)
            connection.request("PUT", f"/v1/kv/{options.prefix}/{number:06}", body=str(number), headers={"X-Consul-Token": options.token})
            answer = connection.getresponse()
            body = answer.read().decode().strip()
            if answer.status != 200 or body != "true":
                raise OSError(f"status {answer.status}: {body}")
            count.good("acknowledged")
            acknowledged.append(number)
        except (OSError, http.client.HTTPException) as failure:
            count.bad(failure)
            connection = None
        ended.wait(0.005)


def writes(options, ended):
    count, acknowledged = Count(), []
    thread = threading.Thread(target=write_keys, args=(ended, options, count, acknowledged))
    thread.start()
    say_ready(count, ended)
    thread.join()
    return {**count.result(), "acknowledged": acknowledged}


def say_ready(count, ended):
    while not count.first.wait(0.05) and not ended.is_set():
        pass
    print("ready", flush=True)
    ended.wait()


def median_ms(seconds):
    return 1000 * statistics.median(seconds)


def latency(options):
    """The two ways in turn, so that what else runs on the machine meets both alike."""
    figures = {}
    urls = {"mesh": Url(options.url), "direct": Url(options.direct)}
    kept = {name: url.connect() for name, url in urls.items()}
    times = {name: {"request": [], "connect": []} for name in urls}
    for number in range(options.requests):
        for name, url in urls.items():
            started = time.monotonic()
            url.get(kept[name])
            times[name]["request"].append(time.monotonic() - started)
            if number % 4:
                continue
            started = time.monotonic()
            connection = url.connect()
            url.get(connection)
            times[name]["connect"].append(time.monotonic() - started)
            connection.close()
    for name in urls:
        kept[name].close()
        figures[name] = {what: median_ms(values) for what, values in times[name].items()}
    print(json.dumps(figures))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True)
    one = what.add_parser("http")
    one.add_argument("url")
    one.add_argument("--result", required=True)
    one.add_argument("--threads", type=int, default=4)
    one.add_argument("--rate", type=float, default=200, help="requests a second, over all threads")
    one.add_argument("--per-connection", type=int, default=20)
    one = what.add_parser("writes")
    one.add_argument("socket")
    one.add_argument("prefix")
    one.add_argument("token")
    one.add_argument("--result", required=True)
    one = what.add_parser("latency")
    one.add_argument("url")
    one.add_argument("direct")
    one.add_argument("--requests", type=int, default=400)
    options = parser.parse_args()
    if options.what == "latency":
        latency(options)
        return
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    result = {"http": http_load, "writes": writes}[options.what](options, ended)
    with open(options.result, "w") as out:
        json.dump(result, out)


main()
