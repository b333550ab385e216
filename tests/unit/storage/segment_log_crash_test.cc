// Crash tests of the Raft log on the simulated disk: whatever the moment, what was reported durable is there afterwards,
// and nothing is that was not asked for.
#include <memory>

#include "tests/test.h"
#include "tests/unit/storage/log_model.h"

namespace mesh::storage {
namespace {

class CrashRun {
 public:
  explicit CrashRun(std::uint64_t seed) : rng_(seed), disk_(rng_.fork()) {}

  // One life of the process: opens, writes until the crash, checks what the next life finds.
  void life() {
    const bool power_cut = rng_.below(4) != 0;
    if (power_cut) disk_.lose_power_after(rng_.below(60));
    open_and_check();
    if (log_) write_until_crash();
    crash();
  }

  std::uint64_t batches_acknowledged() const { return batches_acknowledged_; }
  std::uint64_t torn_tails() const { return torn_tails_; }

 private:
  void open_and_check() {
    auto log = std::make_unique<SegmentLog>(disk_, test_options());
    auto recovered = log->open();
    if (!recovered && !disk_.powered()) return;  // the crash came while opening
    require_ok(recovered);
    EXPECT_FALSE(recovered->damaged);
    torn_tails_ += log->report().torn.has_value() ? 1 : 0;
    const LogModel found = model_of(*recovered);
    REQUIRE(std::find(possible_.begin(), possible_.end(), found) != possible_.end());
    possible_ = {found};  // what was reported is durable from here on
    log_ = std::move(log);
  }

  void write_until_crash() {
    const std::uint64_t count = rng_.below(25);
    for (std::uint64_t number = 1; number <= count; ++number) {
      const LogModel before = possible_.back();
      const raft::PersistBatch batch = random_batch(rng_, before, number);
      possible_ = outcomes(before, batch);
      auto proof = log_->write(batch);
      if (!proof) {
        REQUIRE_FALSE(disk_.powered());
        return;
      }
      possible_ = {possible_.back()};
      ++batches_acknowledged_;
      if (rng_.below(5) == 0) check_reads();
    }
  }

  void check_reads() {
    const LogModel& model = possible_.back();
    if (model.entries.empty()) return;
    const std::uint64_t start = rng_.below(model.entries.size());
    auto got = log_->read(model.entries[start].index, model.last().index + 1, ByteCount(rng_.below(2000)));
    if (!got && !disk_.powered()) return;
    REQUIRE(got.ok());
    REQUIRE_FALSE(got->empty());
    for (std::size_t i = 0; i < got->size(); ++i) REQUIRE((*got)[i] == model.entries[start + i]);
  }

  void crash() {
    if (rng_.below(8) == 0) {
      disk_.kill_process();
      log_.reset();
    } else {
      if (rng_.below(3) == 0) log_.reset();  // a clean end, then the cut
      disk_.lose_power();
      log_.reset();
    }
    disk_.restore_power();
  }

  static void require_ok(const Result<raft::RecoveredLog>& recovered) {
    if (!recovered) FAIL(recovered.error().message);
  }

  Rng rng_;
  sim::SimDisk disk_;
  std::unique_ptr<SegmentLog> log_;
  std::vector<LogModel> possible_{LogModel{}};
  std::uint64_t batches_acknowledged_ = 0;
  std::uint64_t torn_tails_ = 0;
};

TEST_CASE("after a crash at any point nothing acknowledged is missing and nothing is invented") {
  std::uint64_t batches = 0, torn = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    CAPTURE(seed);
    CrashRun run(seed);
    for (int life = 0; life < 20; ++life) run.life();
    batches += run.batches_acknowledged();
    torn += run.torn_tails();
  }
  EXPECT_GT(batches, 5000);
  EXPECT_GT(torn, 50);
}

TEST_CASE("a batch whose sync failed is either whole or absent, and what the next open reports stays") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    sim::SimDisk disk(rng.fork());
    auto log = std::make_unique<SegmentLog>(disk, test_options());
    REQUIRE(log->open().ok());
    LogModel model;
    for (std::uint64_t number = 1; number <= 5; ++number) {
      const auto batch = append_batch(model, number, 1 + rng.below(4), 700);
      REQUIRE(log->write(batch).ok());
      model = outcomes(model, batch).back();
    }
    const auto batch = append_batch(model, 6, 3, 700);
    disk.fail_next_sync();
    auto failed = log->write(batch);
    REQUIRE_FALSE(failed.ok());
    EXPECT_EQ(outcome_of(failed), Code::Io);
    auto again = log->write(append_batch(model, 7, 1));
    REQUIRE_FALSE(again.ok());
    EXPECT_EQ(error_text(again), failed.error().message);
    EXPECT_EQ(error_text(log->read(raft::Index(1), raft::Index(2), ByteCount(1))), failed.error().message);

    disk.kill_process();  // the page cache still shows what the platter lacks
    auto second = std::make_unique<SegmentLog>(disk, test_options());
    auto reported = second->open();
    REQUIRE(reported.ok());
    const LogModel found = model_of(*reported);
    const auto possible = outcomes(model, batch);
    REQUIRE(std::find(possible.begin(), possible.end(), found) != possible.end());
    disk.lose_power();
    disk.restore_power();
    SegmentLog third(disk, test_options());
    auto later = third.open();
    REQUIRE(later.ok());
    REQUIRE(model_of(*later) == found);
  }
}

}  // namespace
}  // namespace mesh::storage
