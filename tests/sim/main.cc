// The simulator's command line; scripts/sim and scripts/mutants are its callers. Seeds run in a child process, which a
// violation, a failed CHECK or a run without end simply ends: the parent then runs the seed again with its trace on,
// shows the last part of it, and goes on behind it in a new child.
#include <fmt/core.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/mutant.h"
#include "tests/sim/gossip_pool.h"
#include "tests/sim/member_cluster.h"
#include "tests/sim/outcome.h"
#include "tests/sim/raft_cluster.h"

namespace mesh::sim {
namespace {

constexpr int kUsageExit = 2;
constexpr std::size_t kTailLines = 120;
constexpr int kCpuSecondsPerSeedMax = 120;

struct Options {
  std::uint64_t seeds = 60;
  std::uint64_t first = 1;
  std::string_view what = "raft";
  std::string_view commit = "unknown";
  std::string_view mutant;
  bool trace = false;
  bool twice = false;
  bool stop_at_failure = false;
  bool list_mutants = false;
};

constexpr std::string_view kUsage =
    "usage: sim [--seeds N] [--first S] [--what raft|members|gossip|all] [--trace] [--twice] [--stop-at-failure]\n"
    "           [--commit ID] [--mutant NAME] [--list-mutants]\n";

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t out = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (failed != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

std::optional<Options> parse(const std::vector<std::string_view>& words) {
  Options out;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "--trace") out.trace = true;
    else if (word == "--twice") out.twice = true;
    else if (word == "--stop-at-failure") out.stop_at_failure = true;
    else if (word == "--list-mutants") out.list_mutants = true;
    else if (i + 1 == words.size()) return std::nullopt;
    else if (word == "--what") out.what = words[++i];
    else if (word == "--commit") out.commit = words[++i];
    else if (word == "--mutant") out.mutant = words[++i];
    else if (word == "--seeds" || word == "--first") {
      const auto number = parse_number(words[++i]);
      if (!number) return std::nullopt;
      (word == "--seeds" ? out.seeds : out.first) = *number;
    } else return std::nullopt;
  }
  return out;
}

bool plant(std::string_view name) {
  if (name.empty()) return true;
#ifdef MESH_MUTANTS
  for (const MutantRow& row : kMutants) {
    if (row.name != name) continue;
    planted_mutant = row.mutant;
    return true;
  }
#endif
  return false;
}

int list_mutants() {
#ifdef MESH_MUTANTS
  for (const MutantRow& row : kMutants) fmt::print("{} {}\n", row.name, row.text);
  return 0;
#else
  fmt::print(stderr, "sim: built without planted bugs (meson option mutants)\n");
  return kUsageExit;
#endif
}

void limit_cpu_time() {
  const itimerval limit{{0, 0}, {kCpuSecondsPerSeedMax, 0}};
  setitimer(ITIMER_VIRTUAL, &limit, nullptr);
}

void on_abort(int) {
  trace().print_tail();
  fmt::print("ABORTED: the failed check is above or on the standard error\n");
  std::fflush(nullptr);
}

// Every peer of a simulated server is correct: a message that is contained as "no correct peer sends this" is a bug.
void on_contained(const CheckSite& site, std::string_view message) {
  violation("contained at {}:{}: {}: {}", site.file, site.line, site.condition, message);
}

// What is simulated: how one seed runs, and what the reports of many say together.
struct RaftSubject {
  using Report = RunReport;
  static Report run(std::uint64_t seed) { return RaftCluster(seed).run(); }

  std::uint64_t operations = 0;
  std::uint64_t answered = 0;
  std::uint64_t committed = 0;
  std::uint64_t leaders = 0;
  std::uint64_t led_in_two_timeouts = 0;
  Duration leader_after_max{};
  Duration converged_after_max{};

  void add(const Report& report) {
    operations += report.operations_total;
    answered += report.answered_total;
    committed += report.committed_total;
    leaders += report.leaders_total;
    led_in_two_timeouts += report.elected_after <= raft::CoreOptions{}.election_timeout * 2 ? 1 : 0;
    leader_after_max = std::max(leader_after_max, report.leader_after);
    converged_after_max = std::max(converged_after_max, report.converged_after);
  }
  void print() const {
    fmt::print("{} operations, {} answered, {} entries committed, {} leaders\n", operations, answered, committed, leaders);
    fmt::print("after the faults: a leader within {} ms, within two election timeouts in {} seeds; equal state within {} ms\n",
               to_millis(leader_after_max), led_in_two_timeouts, to_millis(converged_after_max));
  }
};

struct MemberSubject {
  using Report = MemberReport;
  static Report run(std::uint64_t seed) { return MemberCluster(seed).run(); }

  std::uint64_t joined = 0;
  std::uint64_t removed = 0;
  std::uint64_t changes = 0;
  std::uint64_t leaders = 0;
  Duration settled_after_max{};
  Duration left_after_max{};

  void add(const Report& report) {
    joined += report.joined;
    removed += report.removed;
    changes += report.changes;
    leaders += report.leaders;
    settled_after_max = std::max(settled_after_max, report.settled_after);
    left_after_max = std::max(left_after_max, report.left_after);
  }
  void print() const {
    fmt::print("{} servers joined, {} were removed, {} changes of Raft's configuration, {} leaders; settled within {} ms, a leave then within {} ms\n",
               joined, removed, changes, leaders, to_millis(settled_after_max), to_millis(left_after_max));
  }
};

struct GossipSubject {
  using Report = GossipReport;
  static Report run(std::uint64_t seed) { return GossipPool(seed).run(); }

  std::uint64_t hosts = 0;
  std::uint64_t messages = 0;
  std::uint64_t false_failures = 0;
  std::vector<Duration> agreed, killed, reported, back, left;

  void add(const Report& report) {
    hosts += report.hosts;
    messages += report.messages_total;
    false_failures += report.false_failures;
    agreed.push_back(report.agreed_after);
    killed.push_back(report.killed_after);
    reported.push_back(report.reported_after);
    back.push_back(report.back_after);
    if (report.hosts > 2) left.push_back(report.left_after);
  }
  static std::string spread(std::vector<Duration> times) {
    if (times.empty()) return "-";
    std::sort(times.begin(), times.end());
    const auto at = [&](std::size_t percent) { return to_millis(times[(times.size() - 1) * percent / 100]); };
    return fmt::format("{} / {} / {}", at(50), at(99), at(100));
  }
  void print() const {
    fmt::print("{} members, {} messages, {} failures told of members that ran (cut off or not), during the faults\n", hosts, messages,
               false_failures);
    fmt::print("all know, ms, median / 99 % / most: agreement after the faults {}, a killed member {}, a killed and "
               "reported one {}, a restarted one {}, a leave {}\n",
               spread(agreed), spread(killed), spread(reported), spread(back), spread(left));
  }
};

template <class Subject>
typename Subject::Report run_seed(std::uint64_t seed) {
  limit_cpu_time();
  return Subject::run(seed);
}

template <class Subject>
typename Subject::Report run_checked(std::uint64_t seed, bool twice) {
  const auto report = run_seed<Subject>(seed);
  if (twice && run_seed<Subject>(seed) != report) violation("seed {} ran differently the second time", seed);
  return report;
}

// The child of a campaign: silent, a report per seed that held.
template <class Subject>
[[noreturn]] void campaign_child(int reports, std::uint64_t from, std::uint64_t end, bool twice) {
  if (std::freopen("/dev/null", "w", stdout) == nullptr || std::freopen("/dev/null", "w", stderr) == nullptr) _exit(1);
  for (std::uint64_t seed = from; seed < end; ++seed) {
    const auto report = run_checked<Subject>(seed, twice);
    if (write(reports, &report, sizeof(report)) != static_cast<ssize_t>(sizeof(report))) _exit(1);
  }
  _exit(0);
}

template <class Subject>
struct Totals {
  std::uint64_t held = 0;
  std::uint64_t failed = 0;
  Duration virtual_time{};
  Subject subject;

  void add(const typename Subject::Report& report) {
    ++held;
    virtual_time += report.virtual_time;
    subject.add(report);
  }
};

// Runs [from, end) until a seed fails; returns it, or `end`.
template <class Subject>
std::uint64_t run_range(std::uint64_t from, std::uint64_t end, bool twice, Totals<Subject>& totals) {
  int ends[2];
  CHECK(pipe(ends) == 0, "pipe");
  std::fflush(nullptr);
  const pid_t child = fork();
  CHECK(child >= 0, "fork");
  if (child == 0) {
    close(ends[0]);
    campaign_child<Subject>(ends[1], from, end, twice);
  }
  close(ends[1]);
  std::uint64_t done = from;
  for (typename Subject::Report report; read(ends[0], &report, sizeof(report)) == static_cast<ssize_t>(sizeof(report)); ++done) {
    totals.add(report);
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  return done;
}

// Shows what the failing seed does; 0 if it does not fail this time.
template <class Subject>
int show_failure(std::uint64_t seed, bool twice) {
  std::fflush(nullptr);
  const pid_t child = fork();
  CHECK(child >= 0, "fork");
  if (child == 0) {
    std::signal(SIGABRT, on_abort);
    trace().start(Trace::Mode::Tail, kTailLines);
    run_checked<Subject>(seed, twice);
    std::fflush(nullptr);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGVTALRM) fmt::print("NO END: {} s of CPU\n", kCpuSecondsPerSeedMax);
  return status;
}

struct Outcome {
  std::uint64_t seeds = 0;
  std::uint64_t failed = 0;
};

template <class Subject>
Outcome run_campaign(const Options& options, std::string_view what) {
  Totals<Subject> totals;
  const MonoTime began = mono_now();
  const std::uint64_t end = options.first + options.seeds;
  for (std::uint64_t from = options.first; from < end;) {
    const std::uint64_t failed = run_range(from, end, options.twice, totals);
    from = failed + 1;
    if (failed == end) break;
    ++totals.failed;
    fmt::print("---- seed {}, commit {}: failed\n", failed, options.commit);
    const int status = show_failure<Subject>(failed, options.twice);
    if (status == 0) fmt::print("VIOLATION: seed {} held when it was run again: the run is not deterministic\n", failed);
    fmt::print("---- again: scripts/sim --what {} --first {} --seeds 1 --trace\n", what, failed);
    if (options.stop_at_failure) break;
  }
  const std::chrono::duration<double> took = mono_now() - began;
  const double virtual_seconds = std::chrono::duration<double>(totals.virtual_time).count();
  totals.subject.print();
  fmt::print("{:.2f} virtual cluster-hours in {:.1f} s: {:.0f} per wall hour\n", virtual_seconds / 3600, took.count(),
             virtual_seconds / took.count());
  return {totals.held + totals.failed, totals.failed};
}

template <class Subject>
Outcome run_traced(const Options& options) {
  std::signal(SIGABRT, on_abort);
  for (std::uint64_t seed = options.first; seed < options.first + options.seeds; ++seed) {
    trace().start(Trace::Mode::All, 0);
    run_checked<Subject>(seed, options.twice);
  }
  return {options.seeds, 0};
}

template <class Subject>
void run_subject(const Options& options, std::string_view what, Outcome& sum) {
  if (options.what != what && options.what != "all") return;
  const Outcome outcome = options.trace ? run_traced<Subject>(options) : run_campaign<Subject>(options, what);
  sum.seeds += outcome.seeds;
  sum.failed += outcome.failed;
}

int run(const std::vector<std::string_view>& words) {
  const auto options = parse(words);
  if (!options) {
    fmt::print(stderr, "{}", kUsage);
    return kUsageExit;
  }
  if (options->list_mutants) return list_mutants();
  if (options->what != "raft" && options->what != "members" && options->what != "gossip" && options->what != "all") {
    fmt::print(stderr, "{}", kUsage);
    return kUsageExit;
  }
  if (!plant(options->mutant)) {
    fmt::print(stderr, "sim: no planted bug '{}' in this build; see --list-mutants\n", options->mutant);
    return kUsageExit;
  }
  set_contain_sink(&on_contained);
  Outcome sum;
  run_subject<RaftSubject>(*options, "raft", sum);
  run_subject<MemberSubject>(*options, "members", sum);
  run_subject<GossipSubject>(*options, "gossip", sum);
  fmt::print("{} seeds, {} failed\n", sum.seeds, sum.failed);
  return sum.failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace mesh::sim

int main(int argc, char** argv) { return mesh::sim::run({argv + 1, argv + argc}); }
