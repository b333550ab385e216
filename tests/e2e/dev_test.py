#!/usr/bin/env python3
"""meshd dev end to end: a real daemon, clients over HTTP, DNS and meshctl. Arguments: the build's meshd and meshctl."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import Daemon, DevDaemon, Failed, Steps, expect, run, wait_until  # noqa: E402

meshd, meshctl = sys.argv[1:3]


def register_and_resolve(dev):
    dev.http.put("/v1/agent/service/register", {"Name": "web", "Port": 8080, "Tags": ["v1"]})
    answer = dev.dig("web.service.mesh", "SRV")
    expect(len(answer) == 1 and answer[0].split()[2] == "8080", f"SRV gave {answer}")
    expect(dev.dig("web.service.mesh") == ["127.0.0.1"], "the A record of the instance is not the node's address")
    expect(dev.dig("v1.web.service.mesh") == ["127.0.0.1"], "the tag form gives no record")
    expect(dev.dig_status("other.service.mesh") == "NXDOMAIN", "an unknown service is not NXDOMAIN")
    return f"web.service.mesh SRV {answer[0]}"


def mesh_address(dev):
    first = dev.dig("web.mesh")
    expect(len(first) == 1 and first[0].startswith("127."), f"web.mesh gave {first}")
    expect(dev.dig_status("web.mesh", "AAAA") == "NOERROR", "AAAA of a mesh name is not NODATA")
    return f"web.mesh A {first[0]}"


def catalog_and_health(dev):
    services = dev.http.json("/v1/catalog/services")
    expect(services.get("web") == ["v1"], f"catalog/services gave {services}")
    rows = dev.http.json("/v1/health/service/web", passing=1)
    expect(len(rows) == 1 and rows[0]["Service"]["Port"] == 8080, f"health/service gave {rows}")
    return f"{len(services)} services, web is passing"


def failing_check_leaves_dns(dev):
    dev.http.put("/v1/agent/check/register", {"Name": "ready", "ServiceID": "web", "TTL": "60s", "Status": "passing"})
    dev.http.put("/v1/agent/check/fail/ready?note=down")
    expect(dev.dig("web.service.mesh") == [], "a critical instance is still in DNS")
    expect(dev.http.json("/v1/health/service/web", passing=1) == [], "a critical instance still counts as passing")
    dev.http.put("/v1/agent/check/pass/ready")
    expect(dev.dig("web.service.mesh") == ["127.0.0.1"], "a passing instance is not back in DNS")
    return "left DNS when critical, came back when passing"


def blocking_query_wakes(dev):
    _, headers, _ = dev.http.call("GET", "/v1/health/service/web")
    index = headers["x-consul-index"]
    woke = []

    def wait():
        woke.append(dev.http.call("GET", f"/v1/health/service/web?index={index}&wait=20s", timeout=30))

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(0.2)
    expect(not woke, "the query did not block")
    started = time.monotonic()
    dev.http.put("/v1/agent/service/register", {"Name": "web", "Port": 8081})
    waiter.join(10)
    expect(bool(woke), "the query did not wake")
    status, headers, body = woke[0]
    expect(status == 200 and int(headers["x-consul-index"]) > int(index), f"woke with {status} {headers}")
    expect(json.loads(body)[0]["Service"]["Port"] == 8081, "woke without the change")
    return f"woke {1000 * (time.monotonic() - started):.0f} ms after the change"


def key_values(dev):
    dev.http.put("/v1/kv/app/color", b"blue")
    status, headers, body = dev.http.call("GET", "/v1/kv/app/color?raw")
    expect((status, body) == (200, b"blue"), f"kv get gave {status} {body!r}")
    index = dev.http.json("/v1/kv/app/color")[0]["ModifyIndex"]
    expect(dev.http.put(f"/v1/kv/app/color?cas={index}", b"red").strip() == b"true", "cas with the right index failed")
    expect(dev.http.put(f"/v1/kv/app/color?cas={index}", b"green").strip() == b"false", "cas with an old index won")
    expect(dev.http.json("/v1/kv/app?keys") == ["app/color"], "keys")
    dev.http.call("DELETE", "/v1/kv/app?recurse")
    status, headers, body = dev.http.call("GET", "/v1/kv/app/color")
    expect((status, body) == (404, b""), f"a deleted key gave {status} {body!r}")
    return "put, get, cas, keys, delete"


def wrong_requests(dev):
    cases = [
        ("GET", "/v1/nothing", None, 404),
        ("POST", "/v1/catalog/nodes", None, 405),
        ("PUT", "/v1/agent/service/register", b"{", 400),
        ("PUT", "/v1/agent/service/register", b'{"Port":1}', 400),
        ("PUT", "/v1/agent/service/register", b'{"Name":"a","Port":"x"}', 400),
        ("PUT", "/v1/agent/service/register", b'{"Name":".."}', 400),
        ("PUT", "/v1/agent/service/register", b'{"Name":"a","Tags":["\\u0007"]}', 400),
        ("PUT", "/v1/kv/%ff", b"x", 400),
        ("GET", "/v1/kv/a%0ab?recurse", None, 400),
        ("PUT", "/v1/kv/big", b"x" * (512 * 1024 + 1), 413),
        ("GET", "/v1/health/service/web?index=x", None, 400),
        ("GET", "/v1/catalog/nodes?dc=elsewhere", None, 500),
    ]
    for method, path, body, want in cases:
        status, headers, answer = dev.http.call(method, path, body)
        expect(status == want, f"{method} {path} gave {status}, not {want}: {answer[:100]!r}")
        if want == 405:
            expect("allow" in headers, "405 without Allow")
    return f"{len(cases)} wrong requests answered with what is wrong"


def ctl(dev, *arguments, status=0):
    code, out, err = run([meshctl, *arguments, "--address", dev.http_address], check=False)
    expect(code == status, f"meshctl {' '.join(arguments)} ended with {code}, not {status}: {err or out}")
    return out if status == 0 else err


def meshctl_verbs(dev):
    expect("web" in ctl(dev, "services", "list"), "services list shows no web")
    rows = json.loads(ctl(dev, "services", "list", "--json"))
    expect(any(row["Name"] == "web" for row in rows), f"services list --json gave {rows}")
    ctl(dev, "kv", "put", "a/b", "1")
    expect(ctl(dev, "kv", "get", "a/b").strip() == "1", "kv get")
    expect("did you mean 'list'" in ctl(dev, "services", "lits", status=2), "a mistyped verb gets no near miss")
    expect("did you mean '--json'" in ctl(dev, "nodes", "--jsn", status=2), "a mistyped flag gets no near miss")
    expect("no key 'nothing/here'" in ctl(dev, "kv", "get", "nothing/here", status=3), "a key that is not there is not named")
    expect("services show" in ctl(dev, "services", "--help"), "a noun's help does not show its verbs")
    expect("no mesh" in ctl(dev, "leave", status=1), "an agent in no mesh left one")
    expect("web" in ctl(dev, "services", "list"), "a refused leave took web out of the catalog")
    code, _, _ = run([meshctl, "nodes", "--address", "127.0.0.1:1"], check=False)
    expect(code == 5, f"an agent that is not there gives exit status {code}, not 5")
    return "services, kv, near misses, exit status 2, 3 and 5"


def exit_statuses(dev):
    """0, 2 to 6, each from a real cause; 1 below, by an agent that answers 500."""
    expect(run([meshctl, "version"])[0] == 0, "version")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        status, _, err = run([meshctl, "nodes", "--timeout", "300ms", "--address", address], check=False)
        expect(status == 6 and time.monotonic() - started < 5, f"an agent that does not answer gave {status}: {err}")
    cases = [
        (2, ["nodes", "--timeout", "soon"]),
        (2, ["kv", "put"]),
        (2, ["intentions", "allow", "web"]),
        (3, ["services", "show", "nobody"]),
        (3, ["intentions", "show", "web", "db"]),
    ]
    for want, words in cases:
        ctl(dev, *words, status=want)
    ctl(dev, "intentions", "deny", "web", "db")
    ctl(dev, "intentions", "check", "web", "db", status=4)
    ctl(dev, "intentions", "delete", "web", "db")
    expect(run([meshctl, "doctor", "--address", "unix:/nowhere/agent.sock"], check=False)[0] == 5, "doctor without an agent")
    return "0, 2 to 6"


def doctor(dev):
    found = json.loads(ctl(dev, "doctor", "--json"))
    checks = {finding["Check"] for finding in found["Findings"]}
    expect({"ports", "servers"} <= checks, f"doctor looked at {checks}")
    expect(all(finding["Level"] == "ok" or finding["Fix"] for finding in found["Findings"]), f"a finding without a fix: {found}")
    return f"{len(found['Findings'])} findings on {found['Node']}"


def meshctl_shows_no_control_characters_of_an_agent(_):
    with socket.create_server(("127.0.0.1", 0)) as agent:
        def answer():
            connection, _ = agent.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 500 No\r\nContent-Length: 8\r\n\r\n\x1b[31mred")
        thread = threading.Thread(target=answer)
        thread.start()
        status, _, err = run([meshctl, "nodes", "--address", f"127.0.0.1:{agent.getsockname()[1]}"], check=False)
        thread.join()
    expect(status == 1, f"an agent's 500 gave exit status {status}")
    expect("?[31mred" in err and "\x1b" not in err, f"it shows {err!r}")
    return err.strip()


def second_daemon_is_told_who_has_the_port(dev):
    port = dev.http_address.rsplit(":", 1)[1]
    done = subprocess.run([meshd, "dev", "--http-port", port, "--dns-port", "0"], capture_output=True, text=True,
                          timeout=10, check=False)
    expect(done.returncode != 0, "a second daemon on the same port started")
    expect(port in done.stderr and str(dev.pid) in done.stderr, f"the message does not say by whom: {done.stderr!r}")
    return done.stderr.strip().split("\n")[-1][:120]


def dev_listens_on_loopback_only(_):
    for flags, variables in ((["--client", "0.0.0.0"], {}), ([], {"MESHD_CLIENT": "192.0.2.1"})):
        done = subprocess.run([meshd, "dev", "--http-port", "0", "--dns-port", "0", *flags], capture_output=True,
                              text=True, timeout=10, check=False, env={**os.environ, **variables})
        expect(done.returncode == 2, f"{flags} {variables} ended with {done.returncode}, not 2")
        expect("not a loopback address" in done.stderr, f"the message does not say why: {done.stderr!r}")
    return "other addresses are refused, by flag and by environment"


def deregister(dev):
    dev.http.put("/v1/agent/service/deregister/web")
    expect(dev.dig_status("web.service.mesh") == "NXDOMAIN", "a deregistered service still has a name")
    return "web.service.mesh is NXDOMAIN"


def ends_without_a_trace(dev):
    data = dev.data_dir
    expect(os.path.isdir(data), f"{data} is not there while the daemon runs")
    status = dev.stop()
    expect(status == 0, f"ended with {status}")
    expect(not os.path.exists(data), f"{data} is still there")
    return f"exit status 0, {data} is gone"


def ends_at_any_signal_without_a_trace(folder):
    data = os.path.join(folder, "data")
    os.mkdir(data)
    environment = dict(os.environ, TMPDIR=data)
    for number, ready in ((signal.SIGHUP, True), (signal.SIGTERM, False)):
        dev = DevDaemon(meshd, os.path.join(folder, "signals.log"), env=environment) if ready else Daemon(
            [meshd, "dev", "--http-port", "0", "--dns-port", "0"], os.path.join(folder, "signals.log"), env=environment)
        wait_until("the data folder", lambda: os.listdir(data))  # so early a signal finds the start unfinished
        status = dev.stop(number)
        expect(status == 0, f"{number.name} gives exit status {status}")
        expect(not os.listdir(data), f"{number.name} leaves {os.listdir(data)}")
    return "SIGHUP, and SIGTERM while it starts"


def main():
    steps = Steps()
    with tempfile.TemporaryDirectory() as folder:
        try:
            dev = DevDaemon(meshd, os.path.join(folder, "meshd.log"))
        except Failed as failure:
            steps.step("meshd dev starts", lambda: expect(False, str(failure)))
            steps.finish()
        steps.daemons.append(dev)
        for test in (register_and_resolve, mesh_address, catalog_and_health, failing_check_leaves_dns,
                     blocking_query_wakes, key_values, wrong_requests, meshctl_verbs, exit_statuses, doctor,
                     meshctl_shows_no_control_characters_of_an_agent,
                     second_daemon_is_told_who_has_the_port, dev_listens_on_loopback_only, deregister):
            steps.step(test.__name__.replace("_", " "), lambda test=test: test(dev))
        steps.daemons.clear()
        steps.step("ends without a trace", lambda: ends_without_a_trace(dev))
        steps.step("ends at any signal without a trace", lambda: ends_at_any_signal_without_a_trace(folder))
    steps.finish()


main()
