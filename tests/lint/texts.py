"""Rule "texts": a README of at most 30 lines per folder, and no path of one machine."""
import re

from tree import CPP, Finding, line_of

README_LINES_MAX = 30
# Folders that mirror others or hold data: the README of the folder above speaks for them.
NO_README = re.compile(r"base/pch|tests/unit(/.*)?|tests/fuzz/corpus(/.*)?|tests/.*/(data|testdata|transcripts)(/.*)?")
# The root README is the product's first page, and docs/ holds documents of any length.
ANY_LENGTH = re.compile(r"README\.md|docs/.*")

# A path that exists on one person's machine only.
_ONE_MACHINE = re.compile(r"(?<![\w.])/(?:home|root|work|Users)/\w[\w./-]*")


def _folders_of_code(tree):
    return sorted({path.rsplit("/", 1)[0] for path in tree if "/" in path and path.endswith(CPP + (".py", ".sh"))}
                  | {path.rsplit("/", 1)[0] for path in tree if path.startswith("scripts/")})


def check(tree):
    findings = []
    for folder in _folders_of_code(tree):
        if not NO_README.fullmatch(folder) and f"{folder}/README.md" not in tree:
            findings.append(Finding(folder, 0, "texts", f"has no README.md (at most {README_LINES_MAX} lines)"))
    for path, text in sorted(tree.items()):
        lines = text.count("\n")
        if path.endswith("README.md") and not ANY_LENGTH.fullmatch(path) and lines > README_LINES_MAX:
            findings.append(Finding(path, 0, "texts", f"has {lines} lines, {README_LINES_MAX} are allowed"))
        findings += [Finding(path, line_of(text, match.start()), "texts", f'"{match.group()}" is a path of one machine')
                     for match in _ONE_MACHINE.finditer(text)]
    return findings
