// The three checks, all on in release builds (DCHECK: test builds only).
//
//   CHECK(cond, "format", args...)    a broken invariant of ours: prints file:line, the condition and the message to
//                                     stderr, then aborts. For raft, storage, state machine and memory safety.
//   CONTAIN(cond, "format", args...)  an expression: true if cond holds; else it is counted and logged (at most ten
//                                     times a second over the process) and false. For what a peer can cause: the
//                                     caller drops that connection or message.
//   DCHECK(cond, ...)                 like CHECK, for checks too costly for production (-DMESH_DCHECK).
//
// Any thread. Plain assert() is banned by lint.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace mesh {

struct CheckSite {
  const char* file;
  int line;
  const char* condition;
};

namespace check_detail {

// The message is formatted out of line: a check costs its place a comparison and a call.
[[noreturn]] void fail(const CheckSite& site, fmt::string_view format, fmt::format_args args);
void contained(const CheckSite& site, fmt::string_view format, fmt::format_args args);

[[noreturn]] inline void failed(const CheckSite& site) { fail(site, {}, {}); }
template <class... Args>
[[noreturn]] void failed(const CheckSite& site, fmt::format_string<Args...> format, Args&&... args) {
  fail(site, format, fmt::make_format_args(args...));
}
inline bool contain(const CheckSite& site) { return contained(site, {}, {}), false; }
template <class... Args>
bool contain(const CheckSite& site, fmt::format_string<Args...> format, Args&&... args) {
  return contained(site, format, fmt::make_format_args(args...)), false;
}

}  // namespace check_detail

// How often a CONTAIN failed in this process; exported as meshd_contained_faults_total.
[[nodiscard]] std::uint64_t contained_faults_total();

// Where contained faults are reported; default: stderr. Called from any thread; REQUIRES set before threads start.
using ContainSink = void (*)(const CheckSite& site, std::string_view message);
void set_contain_sink(ContainSink sink);

}  // namespace mesh

#define MESH_CHECK_SITE(cond) (::mesh::CheckSite{__FILE__, __LINE__, #cond})

#define CHECK(cond, ...)                                                                                            \
  do {                                                                                                              \
    if (!(cond)) [[unlikely]] ::mesh::check_detail::failed(MESH_CHECK_SITE(cond) __VA_OPT__(, ) __VA_ARGS__);       \
  } while (false)

#define CONTAIN(cond, ...) \
  ((cond) ? true : ::mesh::check_detail::contain(MESH_CHECK_SITE(cond) __VA_OPT__(, ) __VA_ARGS__))

#ifdef MESH_DCHECK
#define DCHECK(...) CHECK(__VA_ARGS__)
#else
#define DCHECK(cond, ...) \
  do {                    \
  } while (false && (cond))
#endif
