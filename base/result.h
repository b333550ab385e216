// Errors are values. Result<T> holds a T or an Error; Result<void> (= Status) only says whether it worked.
// Any thread; values only. Ignoring a Result does not compile cleanly ([[nodiscard]]).
//
//   Result<Config> load(...) {
//     MESH_TRY(text, read_file(path));                       // returns the error from here, or declares `text`
//     return parse(text).context("while loading {}", path);  // one context per layer
//   }
#pragma once

#include <fmt/core.h>

#include <concepts>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

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

// What is defaulted in result.cc is out of line because nearly every file handles errors: inlined, with sanitizers, these
// few functions were a quarter of the code of some files.
struct Error {
  Code code = Code::Internal;
  std::string message;  // "while doing X: while doing Y: cause", outermost first

  Error();
  Error(Code error_code, std::string text);
  Error(const Error&);
  Error(Error&&) noexcept;
  Error& operator=(const Error&);
  Error& operator=(Error&&) noexcept;
  ~Error();

  // Prepends "while ...: ".
  template <class... Args>
  [[nodiscard]] Error context(fmt::format_string<Args...> format, Args&&... args) && {
    prepend(format, fmt::make_format_args(args...));
    return std::move(*this);
  }

 private:
  void prepend(fmt::string_view format, fmt::format_args args);
};

namespace result_detail {
[[nodiscard]] Error make_error(Code code, fmt::string_view format, fmt::format_args args);
[[noreturn]] void no_value(const Error& error);
[[noreturn]] void no_error();
}  // namespace result_detail

template <class... Args>
[[nodiscard]] Error error(Code code, fmt::format_string<Args...> format, Args&&... args) {
  return result_detail::make_error(code, format, fmt::make_format_args(args...));
}

// "what: strerror(errno_value)" with Code::Io.
[[nodiscard]] Error io_error(std::string_view what, int errno_value);

// Copied if T can be. A Result that was moved from still says what it was, of a moved-from value or error.
// A union by hand: std::variant does the same with several times the code in each file.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : ok_(true), value_(std::move(value)) {}        // NOLINT: implicit on purpose
  Result(Error error) : ok_(false), error_(std::move(error)) {}  // NOLINT
  Result(Result&& other) noexcept : ok_(other.ok_) { make(std::move(other)); }
  Result(const Result& other)
    requires std::copy_constructible<T>
      : ok_(other.ok_) {
    make(other);
  }
  Result& operator=(Result&& other) noexcept {
    if (this == &other) return *this;
    clear();
    ok_ = other.ok_;
    make(std::move(other));
    return *this;
  }
  Result& operator=(const Result& other)
    requires std::copy_constructible<T>
  {
    return *this = Result(other);
  }
  ~Result() { clear(); }

  [[nodiscard]] bool ok() const { return ok_; }
  explicit operator bool() const { return ok_; }

  // REQUIRES ok().
  [[nodiscard]] T& value() & { return checked(), value_; }
  [[nodiscard]] const T& value() const& { return checked(), value_; }
  [[nodiscard]] T&& value() && { return checked(), std::move(value_); }
  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] const T& operator*() const& { return value(); }
  [[nodiscard]] T* operator->() { return &value(); }
  [[nodiscard]] const T* operator->() const { return &value(); }

  // REQUIRES !ok().
  [[nodiscard]] const Error& error() const& {
    if (ok_) [[unlikely]] result_detail::no_error();
    return error_;
  }
  [[nodiscard]] Error&& error() && {
    if (ok_) [[unlikely]] result_detail::no_error();
    return std::move(error_);
  }

  template <class... Args>
  [[nodiscard]] Result context(fmt::format_string<Args...> format, Args&&... args) && {
    if (ok_) return std::move(*this);
    return std::move(error_).context(format, std::forward<Args>(args)...);
  }

 private:
  void checked() const {
    if (!ok_) [[unlikely]] result_detail::no_value(error_);
  }
  // REQUIRES that neither member lives; ok_ says which one shall.
  template <class From>
  void make(From&& other) {
    if (ok_) std::construct_at(&value_, std::forward<From>(other).value_);
    else std::construct_at(&error_, std::forward<From>(other).error_);
  }
  void clear() {
    if (ok_) std::destroy_at(&value_);
    else std::destroy_at(&error_);
  }

  bool ok_;
  union {
    T value_;      // lives if ok_
    Error error_;  // else
  };
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
