"""Rule "texts": a README of at most 30 lines per folder, and nothing in the tree that speaks of how or where it was made."""
import re

from tree import CPP, Finding, line_of

README_LINES_MAX = 30
# Folders that mirror others or hold data: the README of the folder above speaks for them.
NO_README = re.compile(r"base/pch|tests/unit(/.*)?|tests/fuzz/corpus(/.*)?|tests/.*/(data|testdata|transcripts)(/.*)?")
# The root README is the product's first page, and docs/ holds documents of any length.
ANY_LENGTH = re.compile(r"README\.md|docs/.*")

# Written so that this file does not match itself.
_MAKING = re.compile(
    r"(?<![\w.])/work/(?:wt-|main\b|shared\b|\.)|/tmp/bri[e]f\b|\bcl[a]ude\b|\banthr[o]pic\b|\bsub-?ag[e]nts?\b|"
    r"\b(?:AI|LLM)[ -](?:session|help[e]r|assist[a]nt|generat[e]d)|\bhelp[e]r sessions?\b|\bco-?auth[o]red-by\b", re.I)


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
        findings += [Finding(path, line_of(text, match.start()), "texts", f'"{match.group()}" is about the making, not the product')
                     for match in _MAKING.finditer(text)]
    return findings
