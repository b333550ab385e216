#!/usr/bin/env python3
"""Self-test of lint: each rule finds its bad examples and leaves the good ones alone."""
import tempfile
import unittest
from pathlib import Path

import calls
import headers
import layers
import limits
import texts
from functions import functions
from tree import Tree, bare_code


def lines_found(rule, path, text, **others):
    """Lines of the findings in path, in a tree of that file and others (name "a__b" stands for a/b.h)."""
    tree = Tree({path: text, **{name.replace("__", "/") + ".h": body for name, body in others.items()}})
    return [finding.line for finding in rule.check(tree) if finding.path == path]


class Layers(unittest.TestCase):
    def found(self, path, include, **others):
        return lines_found(layers, path, f"// first\n#include {include}\n", **others)

    def test_matrix(self):
        bad = [("base/a.cc", "model/b"), ("model/a.cc", "net/b"), ("net/a.cc", "model/b"), ("raft/a.cc", "net/b"),
               ("raft/a.cc", "storage/b"), ("gossip/a.cc", "net/b"), ("storage/a.cc", "model/b"), ("server/a.cc", "agent/b"),
               ("agent/a.cc", "server/b"), ("agent/dns/a.cc", "raft/b"), ("agent/proxy/a.cc", "agent/b"),
               ("agent/proxy/a.cc", "gossip/b"), ("server/a.cc", "agent/proxy/b"), ("cli/a.cc", "agent/b"),
               ("base/a.cc", "tests/b"), ("daemon/a.cc", "tests/b"), ("daemon/a.cc", "bench/b")]
        for path, target in bad:
            with self.subTest(path=path, target=target):
                self.assertEqual(self.found(path, f'"{target}.h"', **{target.replace("/", "__"): ""}), [2])
        good = [("model/a.cc", "base/b"), ("net/a.cc", "base/b"), ("storage/a.cc", "raft/b"), ("gossip/driver.cc", "net/b"),
                ("agent/a.cc", "agent/proxy/b"), ("agent/proxy/a.cc", "model/b"), ("server/a.cc", "storage/b"),
                ("daemon/a.cc", "server/b"), ("daemon/a.cc", "cli/b"), ("tests/sim/a.cc", "storage/b"), ("bench/a.cc", "agent/proxy/b")]
        for path, target in good:
            with self.subTest(path=path, target=target):
                self.assertEqual(self.found(path, f'"{target}.h"', **{target.replace("/", "__"): ""}), [])

    def test_walls(self):
        for path, header in [("base/a.cc", "uv.h"), ("agent/a.cc", "mbedtls/ssl.h"), ("server/a.cc", "rocksdb/db.h"),
                             ("base/a.cc", "rapidjson/reader.h"), ("agent/a.cc", "yaml-cpp/yaml.h"), ("net/a.cc", "CLI/CLI.hpp"),
                             ("daemon/a.cc", "bpf/libbpf.h"), ("raft/a.cc", "xxhash.h"), ("net/a.cc", "boost/asio.hpp")]:
            with self.subTest(path=path, header=header):
                self.assertEqual(self.found(path, f"<{header}>"), [2])
        for path, header in [("net/a.cc", "uv.h"), ("storage/a.cc", "rocksdb/db.h"), ("base/json_parse.cc", "rapidjson/reader.h"),
                             ("base/yaml.cc", "yaml-cpp/yaml.h"), ("cli/a.cc", "CLI/CLI.hpp"), ("base/a.cc", "fmt/core.h"),
                             ("raft/a.cc", "vector"), ("net/a.cc", "sys/socket.h"), ("tests/fuzz/a.cc", "rapidjson/reader.h")]:
            with self.subTest(path=path, header=header):
                self.assertEqual(self.found(path, f"<{header}>"), [])

    def test_only_one_file_sees_the_command_line_parser(self):
        tree = Tree({"cli/a.cc": "#include <CLI/CLI.hpp>\n", "cli/b.cc": "#include <CLI/CLI.hpp>\n"})
        self.assertEqual([f.path for f in layers.check(tree)], ["cli/b.cc"])

    def test_paths_start_at_the_root_and_folders_are_known(self):
        self.assertEqual(lines_found(layers, "net/a.cc", '#include "b.h"\n', net__b=""), [1])
        self.assertEqual(lines_found(layers, "util/a.cc", "int a;\n"), [0])


class Limits(unittest.TestCase):
    def body(self, lines):
        return "void f() {\n" + "  g();\n" * (lines - 2) + "}\n"

    def test_function(self):
        self.assertEqual(lines_found(limits, "net/a.cc", "\n" + self.body(71)), [2])
        self.assertEqual(lines_found(limits, "net/a.cc", self.body(70)), [])

    def test_file(self):
        self.assertEqual(lines_found(limits, "net/a.cc", "int a;\n" * 801), [0])
        self.assertEqual(lines_found(limits, "net/a.cc", "int a;\n" * 800), [])

    def ratchet(self, entry, lines):
        tree = Tree({"net/a.cc": self.body(lines), limits.RATCHET: f"# why\n{entry}\n"})
        return [(f.path, f.message.split(":")[0]) for f in limits.check(tree)]

    def test_ratchet_holds_and_never_loosens(self):
        self.assertEqual(self.ratchet("net/a.cc f 80", 80), [])
        self.assertEqual(self.ratchet("net/a.cc f 80", 81), [("net/a.cc", "f() grew to 81 lines, the ratchet is at 80")])
        self.assertEqual(self.ratchet("net/a.cc f 80", 75), [("net/a.cc", "f() shrank to 75 lines")])
        self.assertEqual(self.ratchet("net/a.cc f 80", 60), [(limits.RATCHET, "net/a.cc f is within the limit")])
        self.assertEqual(self.ratchet("net/gone.cc 900", 60), [(limits.RATCHET, "net/gone.cc  is within the limit")])


class Functions(unittest.TestCase):
    def names(self, text):
        return [(f.name, f.line, f.lines) for f in functions("a.cc", text)]

    def test_kinds_of_functions(self):
        cases = {
            "int f() { return 1; }": [("f", 1, 1)],
            "namespace a {\nstruct stat f(int x)\n{\n}\n}": [("f", 2, 3)],
            "template <class T>\n  requires(sizeof(T) > 1)\nvoid A<T>::g() const noexcept {\n}": [("g", 1, 4)],
            "struct A : B<int> {\n  A() : a_(1), b_{2} {\n    x();\n  }\n  ~A() override {}\n};": [("A", 2, 3), ("~A", 5, 1)],
            "A::A(int a)\n    : a_{a}, b_{std::move(b)} {\n}": [("A::A", 1, 3)],
            "bool operator==(A a, B b) {\n  return [&] { return 1; }();\n}": [("operator==", 1, 3)],
            "auto f() -> std::vector<int> {\n  if (x) {\n  } else {\n  }\n}": [("f", 1, 5)],
            "MESH_TABLE(A, b(c))\nMESH_TABLE(D,\n  E)\n\nint f() {\n}": [("f", 5, 2)],
            'TEST_CASE("a sentence") {\n}': [("TEST_CASE", 1, 2)],
            "class C final {\n public:\n  int f() {\n  }\n private:\n  int x_{};\n};": [("f", 3, 2)],
            'extern "C" {\nint LLVMFuzzerTestOneInput(const char* d, int n) {\n}\n}': [("LLVMFuzzerTestOneInput", 2, 2)],
        }
        for text, expected in cases.items():
            with self.subTest(text=text):
                self.assertEqual(self.names(text), expected)

    def test_what_is_no_function(self):
        for text in ["enum class E { A, B };", "int a[] = {1, 2};", "std::array<int, 2> a{{1, 2}};", "struct A { int x{}; };",
                     "const auto t = std::array{\n  f(1),\n};", "#define M(x) \\\n  void x() { \\\n  }", "// void f() {\n// }",
                     'const char* s = "void f() {";', 'auto s = R"x(void f() {})x";', "namespace a::b {\n}"]:
            with self.subTest(text=text):
                self.assertEqual(self.names(text), [])

    def test_literals_and_comments_are_blanked_in_place(self):
        self.assertEqual(bare_code("a /* { */ b // {\n'{' \"{\\\"\" 1'000'0 x"), "a         b     \n\" \" \"   \" 1'000'0 x")


class Calls(unittest.TestCase):
    def test_bad_calls(self):
        bad = [("net/a.cc", "assert(x);"), ("tests/unit/net/a.cc", "assert(x);"), ("net/a.cc", "#include <cassert>"),
               ("net/a.cc", "int x = rand();"), ("net/a.cc", "std::random_device d;"), ("tests/sim/a.cc", "std::mt19937 m;"),
               ("net/a.cc", "::sleep(1);"), ("tests/a.cc", "std::this_thread::sleep_for(d);"), ("net/a.cc", "usleep(1);"),
               ("net/a.cc", "auto n = std::chrono::steady_clock::now();"), ("base/a.cc", "std::chrono::system_clock::now();"),
               ("net/a.cc", "auto t = time(nullptr);"), ("server/a.cc", "clock_gettime(CLOCK_REALTIME, &t);"),
               ("raft/a.cc", "auto n = mono_now();"), ("storage/tables.cc", "wall_now();"), ("storage/log_recovery.cc", "#include <fcntl.h>"), ("tests/sim/a.cc", "mono_now();"), ("raft/a.cc", 'LOG_INFO("x");'),
               ("agent/dns/answer.cc", '#include "base/clock.h"'), ("gossip/swim.cc", "#include <sys/socket.h>"),
               ("server/state_machine.cc", '#include "base/log.h"'), ("net/a.cc", "std::mutex m;"),
               ("tests/unit/a.cc", "std::thread t;"), ("agent/a.cc", "std::condition_variable c;"), ("base/a.cc", "t.detach();"),
               ("net/a.cc", "co_await x;"), ("net/a.cc", 'throw std::runtime_error("x");'), ("cli/a.cc", 'std::cout << "x";'),
               ("net/a.cc", "#include <iostream>"), ("net/a.cc", "// TO" + "DO: later"), ("scripts/a", "# FIX" + "ME"),
               ("tests/lint/a.py", "# TO" + "DO(later): no such kind")]
        for path, line in bad:
            with self.subTest(path=path, line=line):
                self.assertEqual(lines_found(calls, path, f"int a;\n{line}\n")[:1], [2])

    def test_good_calls(self):
        good = [("net/a.cc", "static_assert(x);"), ("net/a.cc", "my_assert(x); x.assert(y);"), ("net/a.cc", "// assert(x)"),
                ("net/a.cc", 'f("rand()");'), ("net/a.cc", "operand(1); rng.rand(2); int time = 0; x.time(0);"),
                ("net/a.cc", "mono_now();"), ("storage/posix_disk.cc", "#include <fcntl.h>"), ("gossip/driver.cc", "mono_now();"),
                ("base/clock.cc", "clock_gettime(CLOCK_REALTIME, &t);"), ("base/mailbox.h", "std::mutex m;"),
                ("server/host.cc", 'LOG_INFO("x");'), ("tests/unit/a.cc", "throw 1;"), ("net/a.cc", "// TO" + "DO(perf): batch"),
                ("net/a.cc", "consteval int f() { throw 1; }"), ("raft/a.cc", "MonoTime now; // mono_now() is banned")]
        for path, line in good:
            with self.subTest(path=path, line=line):
                self.assertEqual(lines_found(calls, path, f"int a;\n{line}\n"), [])


class Texts(unittest.TestCase):
    def test_readme_is_there_and_short(self):
        self.assertEqual([str(f) for f in texts.check(Tree({"net/http1/a.cc": ""}))],
                         ["net/http1:0: texts: has no README.md (at most 30 lines)"])
        self.assertEqual(lines_found(texts, "net/README.md", "x\n" * 31), [0])
        self.assertEqual(lines_found(texts, "net/README.md", "x\n" * 30), [])
        self.assertEqual(lines_found(texts, "README.md", "x\n" * 200), [])
        self.assertEqual(lines_found(texts, "tests/unit/net/a_test.cc", ""), [])

    def test_no_path_of_one_machine(self):
        for folder in ["home", "root", "work", "Users"]:
            with self.subTest(folder=folder):
                self.assertEqual(lines_found(texts, "docs/a.md", f"x\nsee /{folder}/main/x\n"), [2])
        for words in ["/etc/meshd/meshd.yaml", "node_modules/work/main", "work/main.cc", "/var/lib/meshd"]:
            with self.subTest(words=words):
                self.assertEqual(lines_found(texts, "docs/a.md", f"x\n{words}\n"), [])


class Headers(unittest.TestCase):
    def check(self, cache=None, **files):
        with tempfile.TemporaryDirectory() as root:
            tree = Tree({f"net/{name}.h": text for name, text in files.items()})
            for path, text in tree.items():
                (Path(root) / path).parent.mkdir(exist_ok=True)
                (Path(root) / path).write_text(text)
            return [(f.path, f.message) for f in headers.check(tree, root, cache)]

    def test_a_header_that_leans_on_its_includer_is_found(self):
        found = self.check(bad="#pragma once\nstd::string s();\n", good="#pragma once\n#include <string>\nstd::string s();\n",
                           unguarded="int a;\n")
        self.assertEqual([path for path, _ in found], ["net/bad.h", "net/unguarded.h"])
        self.assertIn("error", found[0][1])

    def test_the_cache_forgets_when_an_included_header_changes(self):
        user = '#pragma once\n#include "net/used.h"\ninline Used u;\n'
        with tempfile.TemporaryDirectory() as cache:
            self.assertEqual(self.check(cache, user=user, used="#pragma once\nusing Used = int;\n"), [])
            self.assertEqual(len(list(Path(cache).iterdir())), 2)
            self.assertEqual([path for path, _ in self.check(cache, user=user, used="#pragma once\n")], ["net/user.h"])


if __name__ == "__main__":
    unittest.main()
