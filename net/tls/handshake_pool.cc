#include "net/tls/handshake_pool.h"

#include <utility>

#include "base/check.h"
#include "base/clock.h"
#include "net/mbedtls.h"

namespace mesh::net {

namespace {

using Answer = PooledHandshake::Answer;
using Step = HandshakeSchedule::Step;

Step step_of(HandshakeSession::Progress progress) {
  switch (progress) {
    case HandshakeSession::Progress::NeedsBytes: return Step::NeedsBytes;
    case HandshakeSession::Progress::Done: return Step::Done;
    case HandshakeSession::Progress::Failed: break;
  }
  return Step::Failed;
}

Answer answer_of(Step step) {
  switch (step) {
    case Step::NeedsBytes: return Answer::NeedsBytes;
    case Step::Done: return Answer::Done;
    case Step::Failed: break;
  }
  return Answer::Failed;
}

// Takes it out; null: not there.
template <class Map>
typename Map::mapped_type take(Map& map, const typename Map::key_type& key) {
  auto node = map.extract(key);
  return node.empty() ? nullptr : std::move(node.mapped());
}

}  // namespace

HandshakePool::Core::Core(const HandshakePoolOptions& options)
    : state_(HandshakeScheduleOptions{options.threads, options.begun_max, options.sessions_max, options.waiting_max}) {
  CHECK(options.threads > 0);
  prepare_for_threads();
  for (std::size_t n = 0; n < options.threads; ++n) threads_.emplace_back(options.thread_name, [this] { serve(); });
}

void HandshakePool::Core::end() {
  state_.change([](State& state) { state.ended = true; });
  for (Thread& thread : threads_) thread.join();
  const auto open = state_.change([](State& state) { return std::exchange(state.handshakes, {}); });
  for (const auto& [id, handshake] : open) handshake->on_answer(Answer::Ended, {});
}

// ---- what loops ask for ----

HandshakePool::Core::Id HandshakePool::Core::begin(const HandshakeSchedule::Entry& entry,
                                                   std::shared_ptr<PooledHandshake> handshake) {
  std::shared_ptr<PooledHandshake> refused;
  const Id id = state_.change([&](State& state) -> Id {
    if (state.ended) return 0;
    const auto entered = state.schedule.enter(entry, mono_now());
    if (entered.refused) refused = take(state.handshakes, *entered.refused);
    state.handshakes.emplace(entered.id, std::move(handshake));
    return entered.id;
  });
  if (refused != nullptr) refused->on_answer(Answer::Overloaded, {});
  return id;
}

void HandshakePool::Core::submit(Id id, Bytes in) {
  state_.change([&](State& state) {
    const auto found = state.handshakes.find(id);
    if (found == state.handshakes.end()) return;
    found->second->in = std::move(in);
    state.schedule.ready(id);
  });
}

void HandshakePool::Core::leave(Id id) {
  const auto gone = state_.change([id](State& state) {
    state.schedule.leave(id);
    return take(state.handshakes, id);  // destroyed after the lock is gone
  });
}

void HandshakePool::Core::expire(Id id) {
  const auto gone = state_.change([id](State& state) {
    state.schedule.expire(id);
    return take(state.handshakes, id);
  });
}

// ---- threads ----

void HandshakePool::Core::serve() {
  for (;;) {
    const Work work = next_work();
    for (const auto& handshake : work.gone) handshake->on_answer(Answer::Overloaded, {});
    if (work.ended) return;
    if (work.run != nullptr) run(work.id, *work.run);
  }
}

HandshakePool::Core::Work HandshakePool::Core::next_work() {
  Work work;
  state_.wait([&work](State& state, MonoTime now) -> std::optional<MonoTime> {
    work.ended = state.ended;
    if (work.ended) return std::nullopt;
    const HandshakeSchedule::Pick pick = state.schedule.pick(now);
    for (const Id id : pick.gone) work.gone.push_back(take(state.handshakes, id));
    if (pick.run) {
      work.id = *pick.run;
      work.run = state.handshakes.at(*pick.run);
    }
    if (pick.run || !pick.gone.empty()) return std::nullopt;
    return pick.again;
  });
  return work;
}

void HandshakePool::Core::run(Id id, PooledHandshake& handshake) {
  const MonoTime began = mono_now();
  if (handshake.session == nullptr)
    handshake.session = std::visit(
        [](auto& options) { return std::make_unique<HandshakeSession>(std::move(options)); }, handshake.options);
  Bytes out;
  const Step step = step_of(handshake.session->step(std::exchange(handshake.in, {}), out));
  const MonoTime now = mono_now();
  // Before the answer, upon which the loop may come with the next step.
  state_.change([&](State& state) {
    state.schedule.ran(id, step, now - began, now);
    if (step != Step::NeedsBytes) state.handshakes.erase(id);
  });
  handshake.on_answer(answer_of(step), std::move(out));
}

// ---- the public side ----

HandshakePool::HandshakePool(const HandshakePoolOptions& options) : core_(std::make_shared<Core>(options)) {}
HandshakePool::~HandshakePool() { core_->end(); }
std::size_t HandshakePool::waiting() const { return core_->count(&HandshakeSchedule::waiting); }
std::size_t HandshakePool::sessions() const { return core_->count(&HandshakeSchedule::begun); }
std::size_t HandshakePool::queued() const { return core_->count(&HandshakeSchedule::steps_ready); }
std::uint64_t HandshakePool::refused_total() const { return core_->count(&HandshakeSchedule::refused_total); }
std::uint64_t HandshakePool::dropped_total() const { return core_->count(&HandshakeSchedule::dropped_total); }

}  // namespace mesh::net
