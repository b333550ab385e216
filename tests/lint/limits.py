"""Rule "limits": a file has at most 800 lines, a function at most 70 (STYLE section 2).

ratchet.txt may grant an older excess: it may shrink, never grow, and an entry that is no longer needed is a finding.
"""
from functions import functions
from tree import Finding

FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70
RATCHET = "tests/lint/ratchet.txt"


def line_count(text):
    return text.count("\n") + (0 if text.endswith("\n") or not text else 1)


def all_functions(tree):
    return [f for path, text in tree.cpp().items() for f in functions(path, text)]


def _granted(tree):
    """{(path, function name or ""): lines}; a line of the file is "PATH LINES" or "PATH FUNCTION LINES"."""
    granted = {}
    for line in tree.get(RATCHET, "").splitlines():
        words = line.split("#")[0].split()
        if words:
            granted[(words[0], words[1] if len(words) == 3 else "")] = int(words[-1])
    return granted


def _sized(tree):
    """(path, function name or "", line, lines, maximum)."""
    for path, text in tree.cpp().items():
        yield path, "", 0, line_count(text), FILE_LINES_MAX
    for f in all_functions(tree):
        yield f.path, f.name, f.line, f.lines, FUNCTION_LINES_MAX


def check(tree):
    findings, granted = [], _granted(tree)
    for path, name, line, lines, maximum in _sized(tree):
        if lines <= maximum:
            continue
        what = f"{name}() " if name else ""
        allowed = granted.pop((path, name), None)
        if allowed is None:
            findings.append(Finding(path, line, "limits", f"{what}has {lines} lines, {maximum} are allowed"))
        elif lines > allowed:
            findings.append(Finding(path, line, "limits", f"{what}grew to {lines} lines, the ratchet is at {allowed}"))
        elif lines < allowed:
            findings.append(Finding(path, line, "limits", f"{what}shrank to {lines} lines: lower the ratchet from {allowed}"))
    return findings + [Finding(RATCHET, 0, "limits", f"{path} {name} is within the limit: remove its line")
                       for path, name in granted]


def report(tree):
    """Sizes in two lines."""
    files = sorted((line_count(text), path) for path, text in tree.cpp().items())
    sizes = sorted((f.lines, f"{f.path}:{f.line} {f.name}") for f in all_functions(tree))
    if not files or not sizes:
        return "no C++"
    over = sum(1 for lines, _ in sizes if lines > FUNCTION_LINES_MAX)
    return (f"files: {len(files)}, median {files[len(files) // 2][0]} lines, longest {files[-1][0]} ({files[-1][1]})\n"
            f"functions: {len(sizes)}, median {sizes[len(sizes) // 2][0]} lines, longest {sizes[-1][0]} ({sizes[-1][1]}), "
            f"over {FUNCTION_LINES_MAX}: {over}")
