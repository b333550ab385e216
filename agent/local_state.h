// What runs on this node by its own account: its row, its service instances and their checks. This is the source of
// truth for the node's rows in the catalog; agent/sync.h makes the catalog agree.
//
// A value with structure sharing: a copy is O(1) and may be read by any thread; one thread changes it. No I/O.
// Ids are compared without case. Errors leave the state as it was.
//
// Limits (docs/limits.md): kLocalServicesMax, kLocalChecksMax; above them registrations are refused with Overloaded.
// A service or check over kLocalRowBytesMax is Invalid: its row would fit no write to the catalog.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/persistent_map.h"
#include "base/result.h"
#include "model/check.h"
#include "model/names.h"
#include "model/node.h"
#include "model/service.h"

namespace mesh::agent {

inline constexpr std::size_t kLocalServicesMax = 4096;
inline constexpr std::size_t kLocalChecksMax = 16384;
inline constexpr std::size_t kLocalRowBytesMax = std::size_t{256} << 10;  // one service or check, encoded

// Who registered it: the configuration (replaced as a whole by a reload) or the API (stays until it is deregistered).
enum class Source : std::uint8_t { File, Api };

struct LocalService {
  model::ServiceInstance instance;
  Source source = Source::Api;
};

struct LocalCheck {
  model::CheckDefinition definition;
  model::Check row;  // indexes 0
  Source source = Source::Api;
};

struct AddServiceOptions {
  Source source = Source::Api;
  bool replace_existing_checks = false;  // checks of the instance that the definition does not name are removed
};

class LocalState {
 public:
  using Services = PersistentMap<std::string, LocalService, model::NameLess>;
  using Checks = PersistentMap<std::string, LocalCheck, model::NameLess>;

  explicit LocalState(model::Node node) : node_(std::move(node)) {}

  [[nodiscard]] const model::Node& node() const { return node_; }
  [[nodiscard]] const Services& services() const { return services_; }
  [[nodiscard]] const Checks& checks() const { return checks_; }
  // Grows with every change.
  [[nodiscard]] std::uint64_t revision() const { return revision_; }

  // Registers or replaces; a check that is registered again keeps its status and output unless the definition gives a
  // status. Invalid with all faults; Overloaded at a limit.
  Status add_service(const model::ServiceDefinition& definition, const AddServiceOptions& options);
  // With its checks. NotFound.
  Status remove_service(std::string_view id);

  // NotFound if its service_id names no instance of this node; else as add_service.
  Status add_check(const model::CheckDefinition& definition, Source source);
  Status remove_check(std::string_view check_id);

  // The result of a check. Output is cut to kCheckOutputMax. True if status or output changed. NotFound.
  Result<bool> report_check(std::string_view check_id, model::CheckStatus status, std::string_view output);

 private:
  Status put_check(model::CheckDefinition definition, Source source);
  Status put_service(model::ServiceInstance instance, const std::vector<model::CheckDefinition>& checks,
                     const AddServiceOptions& options);
  void remove_checks_of(std::string_view service_id, std::span<const model::CheckDefinition> except);

  model::Node node_;
  Services services_;
  Checks checks_;
  std::uint64_t revision_ = 0;
};

}  // namespace mesh::agent
