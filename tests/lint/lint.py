#!/usr/bin/env python3
"""Holds the tree to STYLE: layers, limits, calls, texts, headers.

usage: lint.py [--root DIR] [--cache DIR] [--sizes] [RULE...]

Without a rule all are checked. Prints PATH:LINE: RULE: MESSAGE per finding and a last line with the counts; exit status 1 if
anything was found. --sizes prints the sizes of files and functions instead.
"""
import argparse
import sys
from pathlib import Path

import calls
import headers
import layers
import limits
import texts
from tree import read_tree

RULES = {"layers": layers.check, "limits": limits.check, "calls": calls.check, "texts": texts.check}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", default=Path(__file__).resolve().parents[2])
    parser.add_argument("--cache", help="where headers that compiled are remembered")
    parser.add_argument("--sizes", action="store_true")
    parser.add_argument("rules", nargs="*", metavar="RULE", choices=[*RULES, "headers", []])
    options = parser.parse_args()
    tree = read_tree(options.root)
    if options.sizes:
        print(limits.report(tree))
        return 0
    findings = []
    for rule in options.rules or [*RULES, "headers"]:
        findings += headers.check(tree, options.root, options.cache) if rule == "headers" else RULES[rule](tree)
    for finding in findings:
        print(finding)
    print(f"{len(tree)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
