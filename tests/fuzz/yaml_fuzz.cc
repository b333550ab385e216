// YAML text as a tree and as a message: no text does harm, findings have places inside the text, and a service that
// is accepted and has no faults can be registered.
#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/message_yaml.h"
#include "model/service.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<mesh::YamlFinding> findings;
  const mesh::YamlNode node = mesh::parse_yaml(text, "f", findings, {.size_max = 1 << 14});
  const auto service = mesh::from_yaml<mesh::model::ServiceDefinition>(node, "f", findings);
  const auto lines = std::count_if(text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; }) + 1;
  for (const mesh::YamlFinding& finding : findings) {
    CHECK(!finding.message.empty() && finding.mark.line >= 0 && finding.mark.line <= lines, "{}", finding.to_string());
  }
  if (!findings.empty() || !mesh::model::service_definition_faults(service).empty()) return 0;
  const auto instance = mesh::model::instance_of(service, mesh::model::NodeId("n"));
  CHECK(!instance.id.empty() && (instance.port == 0) == instance.ports.empty(), "invariants of an instance");
  return 0;
}
