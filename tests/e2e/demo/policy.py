"""Steps about who may call whom. The kernel says who calls: the user that runs nginx on host d is the service web."""

import time

from harness import expect, wait_until
from world import BOUND_PORT, WEB_USER

STRANGER = "games"  # another user of the same host
BOUND = ("-h", "127.0.0.1", "-p", str(BOUND_PORT))
SLEEP = "select pg_sleep(600)"


class PolicySteps:
    def __init__(self, world):
        self.w = world

    def steps(self):
        return [("a caller is who the kernel says", self.callers),
                ("an upstream of one service only", self.bound_upstream),
                ("an intention denies, and ends what is open", self.intention)]

    def callers(self):
        w = self.w
        expect(w.sql(w.d, "select 1", user=WEB_USER) == "1", "web may not call db")
        status, _, err = w.sql(w.d, "select 1", user=STRANGER, check=False)
        expect(status != 0, f"user {STRANGER}, which is no service, may call db")
        return f"psql -h db.mesh on {w.d.name} as {WEB_USER}, who runs nginx, is web, which may; as {STRANGER} it is node/{w.d.name}: {err.splitlines()[0]}"

    def bound_upstream(self):
        w = self.w
        expect(w.sql(w.d, "select 1", user=WEB_USER, at=BOUND) == "1", "web may not use its own upstream")
        refused = {}
        for user in (STRANGER, None):
            status, _, err = w.sql(w.d, "select 1", user=user, check=False, at=BOUND)
            expect(status != 0, f"user {user or 'root'} may use an upstream of web")
            refused[user or "root"] = err
        reason = "CALLER_NOT_ALLOWED"
        wait_until(f"{reason} in the agent's log", lambda: w.d.daemon.log_text().count(reason) >= len(refused))
        return f"127.0.0.1:{BOUND_PORT} of {w.d.name} is web's way to db: {WEB_USER} uses it, {' and '.join(refused)} are refused, {reason} in the log"

    def intention(self):
        w = self.w
        opened = w.d.host.start([w.psql, "-h", "db.mesh", "-U", "postgres", "-Atc", SLEEP], "psql-open", user=WEB_USER)
        running = f"select count(*) from pg_stat_activity where state = 'active' and query = '{SLEEP}'"
        wait_until("the query runs", lambda: w.sql(w.a, running) == "1")
        w.a.ctl("intentions", "deny", "web", "db")
        began = time.monotonic()
        wait_until("the open connection ends", lambda: opened.process.poll() is not None)
        ended = time.monotonic() - began
        status, _, err = w.sql(w.d, "select 1", user=WEB_USER, check=False)
        expect(status != 0, "the next connection is not refused")
        expect(w.sql(w.a, "select 1") == "1", "another caller is refused too")
        w.a.ctl("intentions", "allow", "web", "db")
        wait_until("allowed again", lambda: w.sql(w.d, "select 1", user=WEB_USER, check=False)[1] == "1")
        w.figures.append(("intention web -> db denied until the open connection ended", f"{1000 * ended:.0f} ms"))
        return (f"meshctl intentions deny web db on {w.a.name}: web's open query ended {1000 * ended:.0f} ms later, the next connection is refused "
                f"({err.splitlines()[0]}); node/{w.a.name} still may; allowed: works again")
