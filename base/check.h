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

[[noreturn]] void fail(const CheckSite& site, const std::string& message);
void contained(const CheckSite& site, const std::string& message);

inline std::string text() { return {}; }
template <class... Args>
std::string text(fmt::format_string<Args...> format, Args&&... args) {
  return fmt::format(format, std::forward<Args>(args)...);
}

}  // namespace check_detail

// How often a CONTAIN failed in this process; exported as meshd_contained_faults_total.
[[nodiscard]] std::uint64_t contained_faults_total();

// Where contained faults are reported; default: stderr. Called from any thread; REQUIRES set before threads start.
using ContainSink = void (*)(const CheckSite& site, std::string_view message);
void set_contain_sink(ContainSink sink);

}  // namespace mesh

#define MESH_CHECK_SITE(cond) (::mesh::CheckSite{__FILE__, __LINE__, #cond})

#define CHECK(cond, ...)                                                                                   \
  do {                                                                                                     \
    if (!(cond)) [[unlikely]]                                                                              \
      ::mesh::check_detail::fail(MESH_CHECK_SITE(cond), ::mesh::check_detail::text(__VA_ARGS__));          \
  } while (false)

#define CONTAIN(cond, ...) \
  ((cond) ? true           \
          : (::mesh::check_detail::contained(MESH_CHECK_SITE(cond), ::mesh::check_detail::text(__VA_ARGS__)), false))

#ifdef MESH_DCHECK
#define DCHECK(...) CHECK(__VA_ARGS__)
#else
#define DCHECK(cond, ...) \
  do {                    \
  } while (false && (cond))
#endif
