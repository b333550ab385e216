// Which way of steering is in force, and the answers to the agent. One thread; blocks as the ways do (nft runs to its end).
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "daemon/steer/checks.h"
#include "daemon/steer/nftables.h"
#include "daemon/steer/protocol.h"
#include "daemon/steer/sk_lookup.h"

namespace mesh::steer {

// What may be used; Auto: sk_lookup, else nftables.
enum class Choice : std::uint8_t { Auto, SkLookup, Nftables };

class Backend {
 public:
  struct Options {
    std::string bpf_folder;
    Choice choice = Choice::Auto;
  };
  explicit Backend(const Options& options) : choice_(options.choice), sk_lookup_(options.bpf_folder) {}

  // Puts steering in force before any agent comes, so that mesh addresses are refused rather than answered by a program
  // that listens on 0.0.0.0. Listeners that are in force already stay.
  [[nodiscard]] Answer start();

  struct Outcome {
    Answer answer{};
    UniqueFd dns_answers{};  // goes with the answer if answer.dns_answers
  };
  [[nodiscard]] Outcome hand_over(const HandOver& message, std::vector<UniqueFd> descriptors);

 private:
  [[nodiscard]] Answer steer(const Sockets& sockets);
  [[nodiscard]] Answer redirect(const Sockets& sockets, const Trouble& why);
  void add_dns_answers(Outcome& outcome) const;

  Choice choice_;
  SkLookup sk_lookup_;
};

// Takes both ways out of the kernel.
[[nodiscard]] Status remove_all(const std::string& bpf_folder);

}  // namespace mesh::steer
