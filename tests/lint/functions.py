"""Finds C++ functions by their braces: good enough to measure them, with no compiler.

What stands before an opening brace decides what it opens: a scope (namespace, class, enum), an initialiser (after "=", or a
name without parentheses), or a function. Lambdas and local classes count to the function that holds them. A constructor's
member initialisers with braces are no body.
"""
import re
from typing import NamedTuple

from tree import bare_code

_SCOPE = re.compile(r"\b(?:namespace|class|struct|union|enum)\b(?![^(]*\)\s*(?:const|noexcept|override|final|->|$))")
_MEMBER_INIT = re.compile(r"\)\s*(?:noexcept\s*)?:\s(?:.|\n)*[\w>]\s*$")
_CALL_LIKE = re.compile(r"([~\w:]+|operator\s*\(\)|operator\s*[^\s\w(]+|operator\s+\w+)\s*\(")
# "NAME(...)" on a line of its own, without a semicolon, with more behind it: a macro that is complete in itself.
_MACRO_LINE = re.compile(r"\s*[A-Z][A-Z0-9_]+\((?:[^()]|\([^()]*\))*\)[ \t]*\n(?=\s*\S)")
_KEYWORDS = {"requires", "decltype", "noexcept", "alignas", "if", "__attribute__", "explicit", "sizeof"}


class Function(NamedTuple):
    path: str
    name: str
    line: int   # of the signature's first line
    lines: int  # from there to the closing brace, both included
    head: str   # the signature, literals blanked

    def holds(self, line):
        return self.line <= line < self.line + self.lines


def _without_templates(head):
    """Drops "template <...>" with its balanced angle brackets."""
    while True:
        match = re.search(r"\btemplate\s*<", head)
        if not match:
            return head
        depth, i = 1, match.end()
        while i < len(head) and depth:
            depth += {"<": 1, ">": -1}.get(head[i], 0)
            i += 1
        head = head[:match.start()] + head[i:]


def _kind(head):
    """'scope', 'function', 'init' or 'member init'."""
    plain = _without_templates(head).strip()
    if plain.endswith("=") or not plain:
        return "init"
    if "(" not in plain:
        return "scope" if _SCOPE.search(plain) or plain.startswith("extern") else "init"
    if _SCOPE.match(plain) and not re.search(r"\)\s*[\w\s]*$", plain):
        return "scope"
    return "member init" if _MEMBER_INIT.search(plain) and not plain.endswith((")", "}")) else "function"


def _name(head):
    for match in _CALL_LIKE.finditer(_without_templates(head)):
        if match.group(1) not in _KEYWORDS:
            return match.group(1).lstrip(":")
    return "(unnamed)"


def functions(path, text):
    code = bare_code(text)
    found, stack = [], []  # stack: (kind, head start offset, head)
    head_start = 0
    for match in re.finditer(r"[{};]|\b(?:public|private|protected)\s*:", code):
        mark, at = match.group(), match.start()
        inside = any(kind in ("function", "init", "member init") for kind, _, _ in stack)
        if mark == "{":
            while macro := _MACRO_LINE.match(code, head_start, at):
                head_start = macro.end()
            head = code[head_start:at]
            kind = "block" if inside else _kind(head)
            stack.append((kind, head_start, head))
            if kind != "member init":
                head_start = match.end()
        elif mark == "}":
            if not stack:
                head_start = match.end()
                continue
            kind, start, head = stack.pop()
            if kind == "function":
                found.append(_measured(path, code, start, head, at))
            # After a member initialiser the head goes on: the body is still to come.
            head_start = start if kind == "member init" else match.end()
        elif not inside or mark != ";":
            head_start = match.end() if not inside else head_start
    return found


def _measured(path, code, start, head, end):
    first = start + len(head) - len(head.lstrip())
    line = code.count("\n", 0, first) + 1
    return Function(path, _name(head), line, code.count("\n", 0, end) + 2 - line, head.strip())
