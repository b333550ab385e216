"""The peers of mesh_bench.py as Debian has them: nginx behind it all, HAProxy on both hosts, etcd on three."""

import json
import os
import shutil

from harness import run, wait_until

NGINX = """daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/nginx.err; user root;
events {{ worker_connections 4096; }}
http {{ access_log off; sendfile on; tcp_nodelay on; keepalive_requests 100000000; keepalive_timeout 600;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  server {{ listen 0.0.0.0:{port} backlog=1024; root {folder}/page; }} }}
"""

HAPROXY = """global
  maxconn 4000
  tune.ssl.cachesize 0
defaults
  mode tcp
  timeout connect 5s
  timeout client 600s
  timeout server 600s
listen relay
  bind {bind}
  server far {server}
"""


class Nginx:
    """Serves files of zeros, each of a size."""

    def __init__(self, host, port, files):
        folder = host.path("nginx")
        os.makedirs(os.path.join(folder, "page"))
        for name, size in files.items():
            with open(os.path.join(folder, "page", name), "wb") as out:
                out.truncate(size)
        conf = os.path.join(folder, "conf")
        with open(conf, "w") as out:
            out.write(NGINX.format(folder=folder, port=port))
        self.daemon = host.start([shutil.which("nginx") or "/usr/sbin/nginx", "-e", f"{folder}/nginx.err", "-c", conf], "nginx")


class HaproxyPair:
    """client -> HAProxy on one host -> mutual TLS, P-256, verified -> HAProxy on the other -> a port there."""

    port = 9000
    tls_port = 9443

    def __init__(self, near, far, port):
        self.make_certificates(near.path("tls"))
        tls = near.path("tls")
        trust = f"ca-file {tls}/root.crt verify required"
        self.daemons = [
            self.start(far, f"{far.address}:{self.tls_port} ssl crt {tls}/leaf.pem {trust}", f"127.0.0.1:{port}"),
            self.start(near, f"127.0.0.1:{self.port}",
                       f"{far.address}:{self.tls_port} ssl crt {tls}/leaf.pem {trust} verifyhost web.bench sni str(web.bench) no-ssl-reuse")]

    @staticmethod
    def start(host, bind, server):
        conf = host.path("haproxy.cfg")
        with open(conf, "w") as out:
            out.write(HAPROXY.format(bind=bind, server=server))
        return host.start([shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f", conf], "haproxy")

    @staticmethod
    def make_certificates(folder):
        os.makedirs(folder)
        root, leaf = os.path.join(folder, "root"), os.path.join(folder, "leaf")
        for name in (root, leaf):
            run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key"])
        run(["openssl", "req", "-x509", "-new", "-key", f"{root}.key", "-subj", "/CN=bench root", "-days", "2", "-out", f"{root}.crt"])
        run(["openssl", "req", "-new", "-key", f"{leaf}.key", "-subj", "/CN=web.bench", "-out", f"{leaf}.csr"])
        with open(f"{leaf}.ext", "w") as out:
            out.write("subjectAltName=DNS:web.bench\n")
        run(["openssl", "x509", "-req", "-in", f"{leaf}.csr", "-CA", f"{root}.crt", "-CAkey", f"{root}.key", "-CAcreateserial",
             "-days", "2", "-extfile", f"{leaf}.ext", "-out", f"{leaf}.crt"])
        with open(f"{leaf}.pem", "w") as out:
            for part in ("crt", "key"):
                with open(f"{leaf}.{part}") as text:
                    out.write(text.read())


class Etcd:
    """One member per host, on its default ports."""

    def __init__(self, hosts):
        self.hosts = hosts
        cluster = ",".join(f"{host.name}=http://{host.address}:2380" for host in hosts)
        self.daemons = [host.start(
            ["etcd", "--name", host.name, "--data-dir", host.path("etcd"), "--log-level", "error", "--logger", "zap",
             "--listen-peer-urls", f"http://{host.address}:2380", "--initial-advertise-peer-urls", f"http://{host.address}:2380",
             "--listen-client-urls", f"http://{host.address}:2379,http://127.0.0.1:2379",
             "--advertise-client-urls", f"http://{host.address}:2379", "--initial-cluster", cluster], "etcd") for host in hosts]
        wait_until("etcd leads", self.leader, 20)

    def leader(self):
        """The host of the leader; None while there is none."""
        for host in self.hosts:
            status, out, _ = host.run(["curl", "-sS", "-m", "2", "-X", "POST", "http://127.0.0.1:2379/v3/maintenance/status", "-d", "{}"], check=False)
            if status != 0:
                continue
            told = json.loads(out)
            if told.get("leader", "0") != "0" and told["leader"] == told["header"]["member_id"]:
                return host
        return None
