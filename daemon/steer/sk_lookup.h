// The sk_lookup program in the kernel: libbpf stays behind sk_lookup.cc. Nothing is held between calls: what is in
// force is what is pinned below the folder, so a new helper finds it, and `remove` is never outlived by a descriptor.
#pragma once

#include <cstdint>
#include <string>

#include "base/fd.h"
#include "base/result.h"
#include "daemon/steer/checks.h"
#include "daemon/steer/protocol.h"

namespace mesh::steer {

// What went wrong, in the words of the protocol.
struct Trouble {
  Fault fault = Fault::None;
  std::string message{};
  std::string hint{};
  [[nodiscard]] bool any() const { return fault != Fault::None; }
};

struct SkLookupStatus {
  bool attached = false;        // a link is pinned and belongs to this network namespace
  std::uint32_t listeners = 0;  // of the set in force, those that are alive
  bool dns_udp = false;
  bool dns_tcp = false;
  std::uint64_t steered_total = 0;
  std::uint64_t dns_questions_total = 0;
  std::uint64_t refused_total = 0;
};

class SkLookup {
 public:
  explicit SkLookup(std::string folder) : folder_(std::move(folder)) {}

  // Loads the program and puts it in force in this network namespace: replaces the one that is attached, in one step,
  // or attaches it anew. With maps of another layout in force it changes nothing: put() will.
  [[nodiscard]] Trouble attach();
  // Fills the maps, then attaches. Sockets that were in force before give way after the new ones are.
  [[nodiscard]] Trouble put(const Sockets& sockets);
  // Detaches at once, wherever the program is attached, and removes the folder. Fine if there is nothing.
  [[nodiscard]] Status remove();
  // Denied: the folder may not be read by this user.
  [[nodiscard]] Result<SkLookupStatus> status() const;

  [[nodiscard]] const std::string& folder() const { return folder_; }

 private:
  [[nodiscard]] Trouble prepare_folder() const;
  [[nodiscard]] std::string pin(std::string_view name) const { return folder_ + "/v1/" + std::string(name); }
  [[nodiscard]] std::string link_pin() const { return folder_ + "/link"; }

  std::string folder_;
};

// The socket by which answers to DNS questions leave (docs/formats/steer.md). Needs CAP_NET_RAW.
[[nodiscard]] Result<UniqueFd> open_dns_answers();

}  // namespace mesh::steer
