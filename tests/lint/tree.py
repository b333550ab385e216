"""The files that lint looks at, and their text without comments and literals.

A Tree maps paths (relative to the root, with '/') to texts, so that rules run alike on the repository and on the small
made-up trees of the self-test.
"""
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

CPP = (".h", ".cc", ".c", ".bpf.c")
CODE = CPP + (".py", ".sh", ".build", ".js", ".yaml", ".yml", ".proto")
_FILE_BYTES_MAX = 1 << 20


class Finding(NamedTuple):
    path: str
    line: int  # 1-based; 0: the file or folder as a whole
    rule: str
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: {self.rule}: {self.message}"


class Tree(dict):
    """path -> text."""

    def cpp(self):
        return {path: text for path, text in sorted(self.items()) if path.endswith(CPP)}

    def headers(self):
        return [path for path in sorted(self) if path.endswith(".h")]


def _listed(root):
    """What git knows or would add; without git, all but hidden and build folders."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True)
    if listed.returncode == 0:
        return sorted(set(filter(None, listed.stdout.decode().split("\0"))))
    paths = (file.relative_to(root).as_posix() for file in Path(root).rglob("*"))
    return sorted(path for path in paths if not re.match(r"(.*/)?\.|build", path))


def read_tree(root):
    """Binary and over-long files (corpora) are left out."""
    tree = Tree()
    for path in _listed(root):
        file = Path(root) / path
        if not file.is_file() or file.is_symlink() or file.stat().st_size > _FILE_BYTES_MAX:
            continue
        data = file.read_bytes()
        if b"\0" not in data:
            tree[path] = data.decode("utf-8", "replace")
    return tree


# In this order: a quote inside a comment is no string, and the other way round. A ' after a hexadecimal digit separates
# digits (1'000'000).
_TOKENS = re.compile(
    r"""//[^\n]*|/\*.*?\*/|(?:u8|[uUL])?R"(?P<delimiter>[^()\s\\]{0,16})\(.*?\)(?P=delimiter)"
        |"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'""", re.S | re.X)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", re.M)


def _blank(text, keep=""):
    return keep + "".join(c if c == "\n" else " " for c in text[len(keep):])


def bare_code(text):
    """The text with comments, literals and preprocessor lines blanked; every line keeps its number."""
    def replace(match):
        token = match.group()
        if token.startswith("/"):
            return _blank(token)
        return '"' + _blank(token[1:-1]) + '"' if len(token) >= 2 else token
    return _DIRECTIVE.sub(lambda m: _blank(m.group()), _TOKENS.sub(replace, text))


def code_with_directives(text):
    """Like bare_code, but macros and includes stay."""
    return _TOKENS.sub(lambda m: _blank(m.group()) if m.group().startswith("/") else '"' + _blank(m.group()[1:-1]) + '"', text)


_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?P<open>["<])(?P<name>[^">\n]+)[">]', re.M)


def includes(text):
    """(line, quoted?, name) of each include."""
    for match in _INCLUDE.finditer(text):
        yield line_of(text, match.start()), match.group("open") == '"', match.group("name")


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1
