"""Programs from Debian packages that know nothing of a mesh, each with a folder of its own on a host."""

import glob
import os
import shutil
import signal

from harness import Failed, wait_until

NGINX_CONF = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log; {as_user}
events {{ worker_connections 512; }}
http {{ access_log off; default_type text/plain; keepalive_requests 100000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 0.0.0.0:{port}; root {folder}/www; }} }}
"""


def find(name, *places):
    """A program's path; Debian keeps some out of PATH."""
    found = shutil.which(name) or next((path for place in places for path in sorted(glob.glob(os.path.join(place, name)))), None)
    if not found:
        raise Failed(f"{name} is not installed (scripts/packages, section demo)")
    return found


class Program:
    """A program on a host, run by a user other than root. Its port is one of the host's, bound on 0.0.0.0 or loopback."""

    def __init__(self, mesh_host, name, user, port, bind="0.0.0.0"):
        self.host = mesh_host.host
        self.name, self.user, self.port, self.bind = name, user, port, bind
        self.folder = self.host.path(name)
        os.makedirs(self.folder, mode=0o700)
        shutil.chown(self.folder, user, user)
        self.running = None

    def command(self):
        raise NotImplementedError

    stop_signal = signal.SIGTERM

    def start(self):
        self.running = self.host.start(self.command(), self.name, user=self.user, stop_signal=self.stop_signal)
        wait_until(f"{self.name} listens on {self.bind}:{self.port}", self.listens, 15)
        return self

    def listens(self):
        if self.running.process.poll() is not None:
            raise Failed(f"{self.name} ended: {self.running.log_tail()}")
        return self.host.run(["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{self.port}"], check=False)[0] == 0

    def stop(self):
        status = self.running.stop(self.stop_signal, 15)
        if status != 0:
            raise Failed(f"{self.name} ended with {status}: {self.running.log_tail()}")

    def write(self, path, text):
        path = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as out:
            out.write(text)
        for made in (os.path.dirname(path), path):
            shutil.chown(made, self.user, self.user)


class Nginx(Program):
    def __init__(self, mesh_host, page, port=8080, user="www-data", name="nginx"):
        super().__init__(mesh_host, name, user, port)
        self.write("www/index.html", page + "\n")
        self.set_healthy(True)
        self.write("nginx.conf", NGINX_CONF.format(folder=self.folder, port=port, as_user="user root;" if user == "root" else ""))

    def command(self):
        return [find("nginx", "/usr/sbin"), "-e", os.path.join(self.folder, "error.log"), "-c", os.path.join(self.folder, "nginx.conf")]

    def set_healthy(self, healthy):
        """/health answers 200 or 404; the pages are served either way."""
        if healthy:
            self.write("www/health", "ok\n")
        else:
            os.remove(os.path.join(self.folder, "www/health"))


class PostgreSQL(Program):
    stop_signal = signal.SIGINT  # ends open sessions; SIGTERM would wait for them

    def __init__(self, mesh_host, port=5432):
        super().__init__(mesh_host, "postgres", "postgres", port)
        initdb = find("initdb", "/usr/lib/postgresql/*/bin")
        self.host.run([initdb, "-D", os.path.join(self.folder, "cluster"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
                      timeout=60, user=self.user)

    def command(self):
        return [find("postgres", "/usr/lib/postgresql/*/bin"), "-D", os.path.join(self.folder, "cluster"), "-p", str(self.port),
                "-c", "listen_addresses=0.0.0.0", "-c", f"unix_socket_directories={self.folder}", "-c", "shared_buffers=16MB"]


class Redis(Program):
    def __init__(self, mesh_host, port=6379):
        super().__init__(mesh_host, "redis", "redis", port, bind="127.0.0.1")

    def command(self):
        return [find("redis-server"), "--port", str(self.port), "--bind", self.bind, "--save", "", "--dir", self.folder]
