"""A host of hosts.py that runs a systemd of its own: systemd-nspawn on an overlay over a Debian tree.

The container has the host's network namespace; the Debian tree below is never written to. Commands reach it by nsenter,
since it is registered nowhere.
"""

import os
import signal
import subprocess
import time

from harness import expect, run, wait_until

BOOT_SECONDS_MAX = 60.0
REBOOT = 133  # systemd-nspawn's exit status with --keep-unit


class SystemdHost:
    def __init__(self, host, tree, build):
        self.host = host
        self.name = host.name
        self.root = host.path("root")
        for folder in ("root", "upper", "work"):
            os.makedirs(host.path(folder))
        run(["mount", "-t", "overlay", "overlay", "-o",
             f"lowerdir={tree},upperdir={host.path('upper')},workdir={host.path('work')}", self.root])
        run(["meson", "install", "-C", build, "--no-rebuild", "--destdir", self.root], timeout=120)
        run(["systemd-sysusers", f"--root={self.root}"])
        self.write("/etc/hostname", f"{self.name}\n")
        self.write("/etc/hosts", f"127.0.0.1 localhost {self.name}\n")
        self.process = None
        self.log = None
        self.options = ()

    def path(self, name):
        return self.root + name

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w") as out:
            out.write(text)

    def boot(self, *options):
        """Boots; the options are systemd-nspawn's. Returns systemd's own word for how it went."""
        self.options = options
        self.log = open(self.host.path("console.log"), "ab")
        self.process = subprocess.Popen(
            ["systemd-nspawn", "-D", self.root, f"--machine={self.name}", "--register=no", "--keep-unit", "--quiet",
             "--resolv-conf=off", "--timezone=off", f"--network-namespace-path=/run/netns/{self.host.namespace}",
             *options, "-b"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)
        return wait_until(f"{self.name} boots", self.booted, BOOT_SECONDS_MAX, 0.2)

    def booted(self):
        expect(self.process.poll() is None, f"systemd-nspawn ended with {self.process.poll()}: {self.console()}")
        if self.leader() is None:
            return None
        state = self.run(["systemctl", "is-system-running"], check=False)[1].strip()
        return state if state in ("running", "degraded") else None

    def leader(self):
        """The pid of the container's init."""
        children = run(["pgrep", "-P", str(self.process.pid)], check=False)[1].split()
        for pid in children:
            try:
                if os.readlink(f"/proc/{pid}/exe").endswith("/systemd"):
                    return int(pid)
            except OSError:
                continue  # still starting
        return None

    def run(self, command, check=True, timeout=30.0, stdin=None):
        """Runs a command inside; (exit status, stdout, stderr)."""
        leader = self.leader()
        expect(leader is not None, f"{self.name} is not up")
        whole = ["nsenter", "-t", str(leader), "-a", "env", "-i", "PATH=/usr/sbin:/usr/bin", *command]
        done = subprocess.run(whole, capture_output=True, text=True, timeout=timeout, check=False, input=stdin)
        expect(not check or done.returncode == 0,
               f"{' '.join(command)} on {self.name} ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
        return done.returncode, done.stdout, done.stderr

    def unit(self, name):
        """Properties of a unit, as systemctl shows them."""
        return dict(line.split("=", 1) for line in self.run(["systemctl", "show", name])[1].splitlines() if "=" in line)

    def journal(self, unit, *options):
        return self.run(["journalctl", "-u", unit, "--no-pager", *options])[1]

    def reboot(self):
        """systemd-nspawn ends with REBOOT for whoever started it, and is started again."""
        self.run(["systemctl", "reboot"], check=False)
        wait_until(f"{self.name} goes down", lambda: self.process.poll() is not None, BOOT_SECONDS_MAX, 0.2)
        expect(self.process.returncode == REBOOT, f"systemd-nspawn ended with {self.process.returncode}: {self.console()}")
        self.log.close()
        return self.boot(*self.options)

    def console(self):
        with open(self.host.path("console.log"), errors="replace") as log:
            return "".join(log.readlines()[-20:])

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            leader = self.leader()
            if leader is not None:
                os.kill(leader, signal.SIGRTMIN + 4)  # systemd: power off
            end = time.monotonic() + 90
            while self.process.poll() is None and time.monotonic() < end:
                time.sleep(0.1)
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        if self.log is not None:
            self.log.close()
        run(["umount", "-l", self.root], check=False)
