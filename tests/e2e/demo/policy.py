"""Steps about who may call whom."""

import time

from harness import expect, wait_until


class PolicySteps:
    def __init__(self, world):
        self.w = world

    def steps(self):
        return [("an intention denies, and ends what is open", self.intention)]

    def intention(self):
        w = self.w
        source = f"node/{w.a.name}"
        opened = w.a.host.start([w.psql, "-h", "db.mesh", "-U", "postgres", "-Atc", "select pg_sleep(600)"], "psql-open")
        running = "select count(*) from pg_stat_activity where state = 'active' and query = 'select pg_sleep(600)'"
        wait_until("the query runs", lambda: w.sql(w.e, running) == "1")
        w.a.ctl("intentions", "deny", source, "db")
        began = time.monotonic()
        wait_until("the open connection ends", lambda: opened.process.poll() is not None)
        ended = time.monotonic() - began
        status, _, err = w.sql(w.a, "select 1", check=False)
        expect(status != 0, "the next connection is not refused")
        expect(w.sql(w.d, "select 1") == "1", "another caller is refused too")
        w.a.ctl("intentions", "allow", source, "db")
        wait_until("allowed again", lambda: w.sql(w.a, "select 1", check=False)[1] == "1")
        return (f"{source} -> db denied: the open query ended {1000 * ended:.0f} ms later, the next connection is refused ({err.splitlines()[0]}); "
                f"{w.d.name} still may; allowed: works again")
