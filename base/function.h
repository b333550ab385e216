// UniqueFunction<Sig>: a move-only callable, for completions that own what they need. Like std::function, but it
// accepts move-only captures and does not copy. Calling an empty one is a CHECK failure. One thread at a time.
//
// A completion is called exactly once and never from inside the call that was given it (STYLE section 6).
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

#include "base/check.h"

namespace mesh {

template <class Signature>
class UniqueFunction;

template <class R, class... Args>
class UniqueFunction<R(Args...)> {
 public:
  UniqueFunction() = default;
  UniqueFunction(std::nullptr_t) {}  // NOLINT: implicit on purpose

  template <class F>
    requires(!std::is_same_v<std::decay_t<F>, UniqueFunction> && std::is_invocable_r_v<R, F&, Args...>)
  UniqueFunction(F&& f)  // NOLINT: implicit on purpose
      : target_(std::make_unique<Model<std::decay_t<F>>>(std::forward<F>(f))) {}

  explicit operator bool() const { return target_ != nullptr; }

  R operator()(Args... args) {
    CHECK(target_ != nullptr, "empty function called");
    return target_->call(std::forward<Args>(args)...);
  }

 private:
  struct Concept {
    virtual ~Concept() = default;
    virtual R call(Args&&... args) = 0;
  };
  template <class F>
  struct Model final : Concept {
    explicit Model(F f) : f_(std::move(f)) {}
    R call(Args&&... args) override { return f_(std::forward<Args>(args)...); }
    F f_;
  };
  std::unique_ptr<Concept> target_;
};

}  // namespace mesh
