"""`meshd dev`: a server and an agent on loopback without root, configuration or arguments, used by real clients."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

from harness import DevDaemon, expect, run, wait_until

USER = "nobody"  # where root runs the demo: meshd dev needs no privilege
NGINX_CONF = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.log; user root;
events {{ worker_connections 64; }}
http {{ access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "hello from nginx\\n"; }} }} }}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class DevSteps:
    def __init__(self, programs, figures):
        self.folder = tempfile.mkdtemp(prefix="demo-dev-")
        os.chmod(self.folder, 0o755)
        self.programs = programs.installed(os.path.join(self.folder, "bin"))
        self.figures = figures
        self.dev = None
        self.nginx = None
        self.web_port = free_port()

    def steps(self):
        return [("meshd dev: no root, configuration or arguments", self.start),
                ("dev: a program that knows no mesh", self.legacy_program),
                ("dev: register by the HTTP API", self.register_by_http),
                ("dev: register by meshctl from YAML", self.register_by_cli),
                ("dev: every service has a mesh address", self.names_and_mesh_addresses),
                ("dev: reach the program by its name", self.curl_through_dns),
                ("dev: a failing check", self.check_fails_and_recovers),
                ("dev: watch the catalog", self.watch),
                ("dev: keys and values", self.key_values),
                ("dev: the end", self.restart_keeps_nothing)]

    def daemons(self):
        return [self.dev] if self.dev else []

    def ctl(self, *arguments):
        return run([self.programs.meshctl, *arguments, "--address", self.dev.http_address])[1]

    def start(self):
        user = USER if os.geteuid() == 0 else None
        self.dev = DevDaemon(self.programs.meshd, os.path.join(self.folder, "meshd.log"), user=user)
        status, _, _ = self.dev.http.call("GET", "/v1/status/leader")
        first_answer = time.monotonic() - self.dev.started
        expect(status == 200, f"status/leader gave {status}")
        self.figures.append(("dev: start to the first answer", f"{1000 * first_answer:.0f} ms"))
        return f"ready in {1000 * self.dev.ready_seconds:.0f} ms, HTTP {self.dev.http_address}, DNS {self.dev.dns_address}"

    def legacy_program(self):
        conf = os.path.join(self.folder, "nginx.conf")
        with open(conf, "w") as out:
            out.write(NGINX_CONF.format(folder=self.folder, port=self.web_port))
        self.nginx = subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-c", conf])
        wait_until("nginx answers", lambda: self.port_open(self.web_port))
        return f"nginx, which knows nothing of a mesh, listens on 127.0.0.1:{self.web_port}"

    @staticmethod
    def port_open(port):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def register_by_http(self):
        started = time.monotonic()
        self.dev.http.put("/v1/agent/service/register", {"Name": "web", "Port": self.web_port, "Tags": ["nginx"]})
        answer = self.dev.dig("web.service.mesh", "SRV")
        elapsed = time.monotonic() - started
        expect(len(answer) == 1 and answer[0].split()[2] == str(self.web_port), f"SRV gave {answer}")
        self.figures.append(("dev: register by HTTP until dig has the answer", f"{1000 * elapsed:.0f} ms, dig included"))
        return f"dig web.service.mesh SRV -> {answer[0]}"

    def register_by_cli(self):
        definition = os.path.join(self.folder, "cache.yaml")
        with open(definition, "w") as out:
            out.write("services:\n  - name: cache\n    port: 6379\n    tags: [redis]\n")
        self.ctl("services", "register", definition)
        answer = self.dev.dig("cache.service.mesh", "SRV")
        expect(len(answer) == 1 and answer[0].split()[2] == "6379", f"SRV gave {answer}")
        return f"meshctl services register cache.yaml; dig cache.service.mesh SRV -> {answer[0]}"

    def names_and_mesh_addresses(self):
        web, cache = self.dev.dig("web.mesh"), self.dev.dig("cache.mesh")
        expect(len(web) == 1 and len(cache) == 1 and web != cache, f"mesh addresses {web} {cache}")
        return f"web.mesh {web[0]}, cache.mesh {cache[0]}"

    def curl_through_dns(self):
        host, port = self.dev.dig("web.service.mesh")[0], self.dev.dig("web.service.mesh", "SRV")[0].split()[2]
        _, out, _ = run(["curl", "-sS", f"http://{host}:{port}/"])
        expect(out == "hello from nginx\n", f"curl gave {out!r}")
        return f"curl to the address that DNS gave -> {out.strip()!r}"

    def check_fails_and_recovers(self):
        self.dev.http.put("/v1/agent/check/register", {"Name": "ready", "ServiceID": "web", "TTL": "60s", "Status": "passing"})
        started = time.monotonic()
        self.dev.http.put("/v1/agent/check/fail/ready?note=disk+full")
        expect(self.dev.dig("web.service.mesh") == [], "a critical instance is still in DNS")
        gone = time.monotonic() - started
        self.dev.http.put("/v1/agent/check/pass/ready")
        expect(len(self.dev.dig("web.service.mesh")) == 1, "the instance is not back")
        self.figures.append(("dev: failed check until gone from DNS", f"{1000 * gone:.0f} ms, dig included"))
        return "the instance left DNS when its check failed and came back when it passed"

    def watch(self):
        _, headers, _ = self.dev.http.call("GET", "/v1/catalog/services")
        waiter = subprocess.Popen(["curl", "-sS", f"http://{self.dev.http_address}/v1/catalog/services?index={headers['x-consul-index']}&wait=10s"],
                                  stdout=subprocess.PIPE, text=True)
        time.sleep(0.2)
        expect(waiter.poll() is None, "the blocking query did not block")
        self.dev.http.put("/v1/agent/service/register", {"Name": "queue", "Port": 5672})
        out, _ = waiter.communicate(timeout=10)
        expect("queue" in json.loads(out), f"woke with {out}")
        return "a blocking query woke with the new service in its answer"

    def key_values(self):
        self.ctl("kv", "put", "app/color", "blue")
        value = self.ctl("kv", "get", "app/color").strip()
        expect(value == "blue", f"kv get gave {value!r}")
        return "meshctl kv put app/color blue; kv get -> blue"

    def restart_keeps_nothing(self):
        memory, cpu = self.dev.memory_mib(), self.dev.cpu_seconds()
        self.figures.append(("dev: memory of server and agent in one process", f"{memory:.1f} MiB"))
        self.figures.append(("dev: CPU used in all", f"{cpu:.2f} s"))
        data = self.dev.data_dir
        status = self.dev.stop()
        expect(status == 0 and not os.path.exists(data), f"exit status {status}, data folder left: {os.path.exists(data)}")
        return f"Ctrl-C: exit status 0, {data} is gone"

    def stop(self):
        if self.nginx:
            self.nginx.terminate()
            self.nginx.wait(5)
        if self.dev and self.dev.process.poll() is None:
            self.dev.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
