// What DNS answers need to know of the catalog, as an interface over one immutable version of it.
//
// All text in the results is borrowed from that version and lives as long as it. Names are compared without regard to
// case. Implementations are const and without state of their own that changes: any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mesh::dns {

enum class Health : std::uint8_t { Passing, Warning, Critical };

// One instance of a service. Health is the worst of its own checks and its node's.
struct Instance {
  std::string_view node;
  std::string_view node_address;
  std::string_view address;  // the instance's own; empty: the node's. IP text or a host name
  std::uint16_t port = 0;
  std::uint16_t weight = 1;  // for its health
  Health health = Health::Passing;
  std::span<const std::string> tags;
};

struct Node {
  std::string_view name;     // as registered, which may differ in case from the question
  std::string_view address;
  const std::map<std::string, std::string>* meta = nullptr;  // never null
};

class Zone {
 public:
  virtual ~Zone() = default;

  // Grows with every change of the catalog; the SOA's serial.
  [[nodiscard]] virtual std::uint32_t serial() const = 0;
  // Appends all instances of the service, healthy or not, in any order.
  virtual void instances(std::string_view service, std::vector<Instance>& out) const = 0;
  [[nodiscard]] virtual std::optional<Node> node(std::string_view name) const = 0;
  // IP text; it exists as long as the service does, healthy or not.
  [[nodiscard]] virtual std::optional<std::string_view> mesh_address(std::string_view service) const = 0;
  // Appends the names that an address stands for, each relative to the domain ("a.node.dc1", "web.service", "web").
  // `address` is in the usual text form (RFC 5952 for IPv6).
  virtual void names_of(std::string_view address, std::vector<std::string>& out) const = 0;
};

}  // namespace mesh::dns
