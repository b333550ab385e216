// Errors are values. Result<T> holds a T or an Error; Result<void> (= Status) only says whether it worked.
// Any thread; values only. Ignoring a Result does not compile cleanly ([[nodiscard]]).
//
//   Result<Config> load(...) {
//     MESH_TRY(text, read_file(path));                       // returns the error from here, or declares `text`
//     return parse(text).context("while loading {}", path);  // one context per layer
//   }
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/check.h"

namespace mesh {

// A short stable list, shared by RPC status, HTTP status and meshctl's exit status. Numbers are on the wire.
enum class Code : std::uint8_t {
  Invalid = 1,     // the request or input is wrong: what, where, what to try is in the message
  NotFound,        // the named thing does not exist
  Conflict,        // exists already, or a compare-and-set lost
  Denied,          // known caller, not allowed
  Unauthenticated, // caller not known
  Unavailable,     // nobody can serve this now (no leader, not connected); retry later
  Timeout,         // the deadline passed; the outcome of a write is unknown
  Overloaded,      // a named limit was reached; retry with back-off
  Precondition,    // right request, wrong state of the system
  Corrupt,         // stored or received bytes fail their checksum or grammar
  Unsupported,     // understood, but not offered
  Cancelled,       // given up by the caller
  Io,              // the operating system said no; errno text is in the message
  Internal,        // a defect of ours
};

[[nodiscard]] std::string_view code_name(Code code);

struct Error {
  Code code = Code::Internal;
  std::string message;  // "while doing X: while doing Y: cause", outermost first

  // Prepends "while ...: ".
  template <class... Args>
  [[nodiscard]] Error context(fmt::format_string<Args...> format, Args&&... args) && {
    message = fmt::format(format, std::forward<Args>(args)...) + ": " + message;
    return std::move(*this);
  }
};

template <class... Args>
[[nodiscard]] Error error(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return Error{code, fmt::format(format, std::forward<Args>(args)...)};
}

// "what: strerror(errno_value)" with Code::Io.
[[nodiscard]] Error io_error(std::string_view what, int errno_value);

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit on purpose
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // REQUIRES ok().
  [[nodiscard]] T& value() & { return checked(), *std::get_if<0>(&state_); }
  [[nodiscard]] const T& value() const& { return checked(), *std::get_if<0>(&state_); }
  [[nodiscard]] T&& value() && { return checked(), std::move(*std::get_if<0>(&state_)); }
  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] const T& operator*() const& { return value(); }
  [[nodiscard]] T* operator->() { return &value(); }
  [[nodiscard]] const T* operator->() const { return &value(); }

  // REQUIRES !ok().
  [[nodiscard]] const Error& error() const& {
    CHECK(!ok(), "error() of a good result");
    return *std::get_if<1>(&state_);
  }
  [[nodiscard]] Error&& error() && {
    CHECK(!ok(), "error() of a good result");
    return std::move(*std::get_if<1>(&state_));
  }

  template <class... Args>
  [[nodiscard]] Result context(fmt::format_string<Args...> format, Args&&... args) && {
    if (ok()) return std::move(*this);
    return std::move(*this).error().context(format, std::forward<Args>(args)...);
  }

 private:
  void checked() const { CHECK(ok(), "value() of an error: {}", std::get_if<1>(&state_)->message); }
  std::variant<T, Error> state_;
};

struct Unit {
  friend bool operator==(Unit, Unit) = default;
};

template <>
class [[nodiscard]] Result<void> : public Result<Unit> {
 public:
  Result() : Result<Unit>(Unit{}) {}
  Result(Error error) : Result<Unit>(std::move(error)) {}  // NOLINT: implicit on purpose

  template <class... Args>
  [[nodiscard]] Result context(fmt::format_string<Args...> format, Args&&... args) && {
    if (ok()) return {};
    return std::move(*this).error().context(format, std::forward<Args>(args)...);
  }
};
using Status = Result<void>;

#define MESH_CONCAT_INNER(a, b) a##b
#define MESH_CONCAT(a, b) MESH_CONCAT_INNER(a, b)

// Declares `name` with the value of a Result expression, or returns its error from the enclosing function.
#define MESH_TRY(name, ...) MESH_TRY_IMPL(name, MESH_CONCAT(mesh_try_, __LINE__), __VA_ARGS__)
#define MESH_TRY_IMPL(name, tmp, ...)     \
  auto tmp = (__VA_ARGS__);               \
  if (!tmp.ok()) return std::move(tmp).error(); \
  auto name = std::move(tmp).value()

// Returns the error of a Status expression from the enclosing function.
#define MESH_TRY_STATUS(...)                                                      \
  do {                                                                            \
    if (auto mesh_status = (__VA_ARGS__); !mesh_status.ok()) return std::move(mesh_status).error(); \
  } while (false)

}  // namespace mesh
