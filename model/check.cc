#include "model/check.h"

#include "model/names.h"

namespace mesh::model {

MESH_ENUM_TABLE(CheckStatus, MESH_CHECK_STATUS_VALUES)
MESH_MESSAGE_TABLE(TextList, MESH_TEXT_LIST_FIELDS)
MESH_MESSAGE_TABLE(CheckDefinition, MESH_CHECK_DEFINITION_FIELDS)
MESH_MESSAGE_TABLE(Check, MESH_CHECK_FIELDS)

std::string_view check_type(const CheckDefinition& definition) {
  if (!definition.http.empty()) return "http";
  if (!definition.tcp.empty()) return "tcp";
  return definition.ttl != Duration{} ? "ttl" : "";
}

std::string check_definition_fault(const CheckDefinition& definition) {
  if (const auto fault = text_fault(definition.check_id, kCheckIdMax); !fault.empty()) return "check_id " + fault;
  const int kinds = !definition.http.empty() + !definition.tcp.empty() + (definition.ttl != Duration{});
  if (kinds == 0) return "a check needs one of http, tcp or ttl";
  if (kinds > 1) return "a check has only one of http, tcp and ttl";
  if (definition.ttl < Duration{}) return "ttl is negative";
  if (definition.timeout < Duration{}) return "timeout is negative";
  if (definition.deregister_after < Duration{}) return "deregister_critical_service_after is negative";
  if (definition.interval != Duration{} && definition.interval < kCheckIntervalMin) {
    return "interval is under 100ms";
  }
  const bool web = definition.http.starts_with("http://") || definition.http.starts_with("https://");
  if (!definition.http.empty() && !web) return "http is not a URL that starts with http:// or https://";
  return {};
}

}  // namespace mesh::model
