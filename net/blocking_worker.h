// BlockingWorker: one thread that runs blocking jobs in order for a loop: the storage thread of a server, the
// disk thread of an agent.
//
// run(job, then): job() runs on the worker's thread; then(result) runs later on the owner's loop. Jobs run in
// the order of the calls and their continuations arrive in that order. Destroying the worker waits for the
// jobs already given to it; their continuations are dropped: nothing fires afterwards.
//
// Thread: run() and destruction on the loop's thread. What job uses must outlive the worker.
// Limit: kJobsMax jobs waiting; more is a defect of the caller (CHECK), whose protocol bounds them.
#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/function.h"
#include "base/mailbox.h"
#include "base/thread.h"
#include "net/loop.h"

namespace mesh::net {

class BlockingWorker {
 public:
  static constexpr std::size_t kJobsMax = 1024;

  BlockingWorker(LoopRef loop, const std::string& name) : loop_(std::move(loop)), jobs_(kJobsMax) {
    thread_ = Thread(name, [this] { serve(); });
  }
  ~BlockingWorker() {
    alive_.reset();
    jobs_.close();
    thread_.join();
  }
  BlockingWorker(const BlockingWorker&) = delete;
  BlockingWorker& operator=(const BlockingWorker&) = delete;

  template <class Job, class Then>
  void run(Job job, Then then) {
    using Result = std::invoke_result_t<Job&>;
    std::weak_ptr<char> alive = alive_;
    const bool taken = jobs_.push([this, job = std::move(job), then = std::move(then), alive]() mutable {
      auto answer = [then = std::move(then), alive, result = Result(job())]() mutable {
        if (!alive.expired()) then(std::move(result));
      };
      (void)loop_.post(std::move(answer));  // false: the loop has gone, and with it whoever waits
    });
    CHECK(taken, "more than {} blocking jobs", kJobsMax);
  }

 private:
  void serve() {
    std::vector<UniqueFunction<void()>> jobs;
    while (jobs_.wait(jobs)) {
      for (auto& job : jobs) job();
    }
  }

  LoopRef loop_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();  // read and reset on the loop's thread only
  Mailbox<UniqueFunction<void()>> jobs_;
  Thread thread_;
};

}  // namespace mesh::net
