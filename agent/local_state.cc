#include "agent/local_state.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/message.h"

namespace mesh::agent {
namespace {

Status no_such(std::string_view what, std::string_view id, std::string_view node) {
  return error(Code::NotFound, "there is no {} '{}' on node {}", what, id, node);
}

model::Check row_of(const model::CheckDefinition& definition, const model::Node& node, std::string_view service_name) {
  model::Check row;
  row.node_id = node.id;
  row.check_id = definition.check_id;
  row.name = definition.name;
  row.status = definition.status.value_or(model::CheckStatus::Critical);
  row.notes = definition.notes;
  row.service_id = definition.service_id;
  row.service_name = std::string(service_name);
  row.type = std::string(model::check_type(definition));
  row.interval = definition.interval;
  row.timeout = definition.timeout;
  return row;
}

// At most `bytes_max` bytes, not cut inside a character.
std::string_view cut(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  std::size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return text.substr(0, end);
}

template <class Row>
Status check_size(std::string_view what, std::string_view id, const Row& row) {
  const std::size_t size = encode(row).size();
  if (size <= kLocalRowBytesMax) return {};
  return error(Code::Invalid, "{} '{}' takes {} bytes, at most {} are allowed", what, id, size, kLocalRowBytesMax);
}

}  // namespace

Status LocalState::add_service(const model::ServiceDefinition& definition, const AddServiceOptions& options) {
  const auto faults = model::service_definition_faults(definition);
  if (!faults.empty()) return error(Code::Invalid, "{}", fmt::join(faults, "; "));
  auto instance = model::instance_of(definition, node_.id);
  const auto checks = model::checks_of(definition);
  if (!services_.contains(instance.id) && services_.size() >= kLocalServicesMax)
    return error(Code::Overloaded, "this node has {} services, the most an agent takes; deregister some", services_.size());
  if (checks_.size() + checks.size() > kLocalChecksMax)
    return error(Code::Overloaded, "this node has {} checks, {} more would pass the limit of {}", checks_.size(),
                 checks.size(), kLocalChecksMax);
  LocalState next = *this;  // so that a check that is refused leaves nothing behind
  MESH_TRY_STATUS(next.put_service(std::move(instance), checks, options));
  *this = std::move(next);
  return {};
}

Status LocalState::put_service(model::ServiceInstance instance, const std::vector<model::CheckDefinition>& checks,
                               const AddServiceOptions& options) {
  const std::string id = instance.id;
  MESH_TRY_STATUS(check_size("service", id, instance));
  services_.set(id, LocalService{std::move(instance), options.source});
  if (options.replace_existing_checks) remove_checks_of(id, checks);
  for (const auto& check : checks) MESH_TRY_STATUS(put_check(check, options.source));
  ++revision_;
  return {};
}

Status LocalState::remove_service(std::string_view id) {
  if (!services_.contains(id)) return no_such("service", id, node_.name);
  remove_checks_of(id, {});
  services_.erase(id);
  ++revision_;
  return {};
}

Status LocalState::add_check(const model::CheckDefinition& definition, Source source) {
  model::CheckDefinition full = definition;
  if (full.check_id.empty()) full.check_id = full.name;
  if (full.name.empty()) full.name = full.check_id;
  if (full.check_id.empty()) return error(Code::Invalid, "Name: is required");
  if (const auto fault = model::check_definition_fault(full); !fault.empty()) return error(Code::Invalid, "{}", fault);
  if (!full.service_id.empty() && !services_.contains(full.service_id))
    return no_such("service", full.service_id, node_.name);
  if (!checks_.contains(full.check_id) && checks_.size() >= kLocalChecksMax)
    return error(Code::Overloaded, "this node has {} checks, the most an agent takes; deregister some", checks_.size());
  MESH_TRY_STATUS(put_check(std::move(full), source));
  ++revision_;
  return {};
}

Status LocalState::remove_check(std::string_view check_id) {
  if (!checks_.erase(check_id)) return no_such("check", check_id, node_.name);
  ++revision_;
  return {};
}

Result<bool> LocalState::report_check(std::string_view check_id, model::CheckStatus status, std::string_view output) {
  const LocalCheck* found = checks_.find(check_id);
  if (found == nullptr) return no_such("check", check_id, node_.name).error();
  const std::string_view kept = cut(output, model::kCheckOutputMax);
  if (found->row.status == status && found->row.output == kept) return false;
  LocalCheck changed = *found;
  changed.row.status = status;
  changed.row.output = std::string(kept);
  const std::string id = changed.row.check_id;
  checks_.set(id, std::move(changed));
  ++revision_;
  return true;
}

Status LocalState::put_check(model::CheckDefinition definition, Source source) {
  const LocalService* service = definition.service_id.empty() ? nullptr : services_.find(definition.service_id);
  model::Check row = row_of(definition, node_, service == nullptr ? std::string_view() : service->instance.name);
  if (const LocalCheck* before = checks_.find(definition.check_id)) {
    if (!model::same_name(before->row.service_id, row.service_id))
      return error(Code::Conflict, "check '{}' belongs to service '{}' already; give it another CheckID",
                   definition.check_id, before->row.service_id);
    if (!definition.status) row.status = before->row.status;
    row.output = before->row.output;
  }
  const std::string id = definition.check_id;
  MESH_TRY_STATUS(check_size("check", id, row));
  checks_.set(id, LocalCheck{std::move(definition), std::move(row), source});
  return {};
}

void LocalState::remove_checks_of(std::string_view service_id, std::span<const model::CheckDefinition> except) {
  std::vector<std::string> gone;
  for (const auto& [id, check] : checks_) {
    if (!model::same_name(check.row.service_id, service_id)) continue;
    const bool named = std::any_of(except.begin(), except.end(),
                                   [&id = id](const auto& kept) { return model::same_name(kept.check_id, id); });
    if (!named) gone.push_back(id);
  }
  for (const auto& id : gone) checks_.erase(id);
}

}  // namespace mesh::agent
