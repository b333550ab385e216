"""docs/metrics.md is what a server's /metrics says: each metric with its kind and help text."""

import os
import re

from harness import Failed

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs")
PAGE = os.path.join(DOCS, "metrics.md")
HEAD = """# Metrics

`GET /metrics` of a host's HTTP API, in the Prometheus text format. A server has all of these, an agent those of its parts. What each limit counts: [limits.md](limits.md).

Not in the list because they come with what they count: with `recursors`, meshd_dns_forwards_total, meshd_dns_forwards_shared_total, meshd_dns_forward_loops_total, meshd_dns_forward_failures_total, meshd_dns_forward_seconds.

Made from a running server's answer; tests/e2e/members_test.py compares it. After a change: `MESH_WRITE_METRICS=1 tests/e2e/members_test.py BUILD-FOLDER`.

| metric | kind | what it tells |
| --- | --- | --- |
"""


def page_of(answer):
    helps, kinds = {}, {}
    for line in answer.split("\n"):
        words = line.split(" ", 3)
        if line.startswith("# HELP "):
            helps[words[2]] = words[3].replace("|", "\\|")
        elif line.startswith("# TYPE "):
            kinds[words[2]] = words[3]
    return HEAD + "".join(f"| {name} | {kinds[name]} | {helps[name]} |\n" for name in sorted(kinds))


def check_page(answer):
    wanted = page_of(answer)
    if os.environ.get("MESH_WRITE_METRICS"):
        with open(PAGE, "w", encoding="utf-8") as page:
            page.write(wanted)
    with open(PAGE, encoding="utf-8") as page:
        found = page.read()
    rows = wanted.split("\n"), found.split("\n")
    if found != wanted:
        missing = [row for row in rows[0] if row not in rows[1]]
        stale = [row for row in rows[1] if row not in rows[0]]
        raise Failed(f"docs/metrics.md lacks {missing}, and has {stale}: MESH_WRITE_METRICS=1 makes it anew")
    with open(os.path.join(DOCS, "limits.md"), encoding="utf-8") as limits:
        unknown = {name for name in re.findall(r"\bmeshd_\w+[^_\W]\b(?!\*)", limits.read()) if name not in found}
    if unknown:
        raise Failed(f"docs/limits.md names metrics that are not there: {sorted(unknown)}")
    return f"docs/metrics.md has all {len(rows[0]) - HEAD.count(chr(10)) - 1} metrics"
