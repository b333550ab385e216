#include "agent/http_api/shapes.h"

#include <algorithm>

#include "base/message_json.h"
#include "base/version.h"
#include "model/names.h"

namespace mesh::agent {
namespace {

constexpr std::uint16_t kGossipPort = 8301;

void write_texts(JsonWriter& out, std::span<const std::string> texts) {
  out.begin_list();
  for (const std::string& text : texts) out.string(text);
  out.end_list();
}

void write_pairs(JsonWriter& out, const std::map<std::string, std::string>& pairs) {
  out.begin_object();
  for (const auto& [key, value] : pairs) {
    out.key(key);
    out.string(value);
  }
  out.end_object();
}

void write_text(JsonWriter& out, std::string_view key, std::string_view value) {
  out.key(key);
  out.string(value);
}

void write_number(JsonWriter& out, std::string_view key, std::int64_t value) {
  out.key(key);
  out.integer(value);
}

void write_empty_object(JsonWriter& out, std::string_view key) {
  out.key(key);
  out.begin_object();
  out.end_object();
}

void write_service_addresses(JsonWriter& out, const model::ServiceInstance& instance) {
  out.key("ServiceTaggedAddresses");
  out.begin_object();
  for (const auto& [name, address] : instance.tagged_addresses) {
    out.key(name);
    write_json(out, address);
  }
  out.end_object();
}

}  // namespace

void write_check(JsonWriter& out, const CheckShape& shape) {
  out.begin_object();
  write_text(out, "Node", shape.node);
  write_members(out, shape.check);
  out.key("ServiceTags");
  write_texts(out, shape.service_tags);
  out.end_object();
}

void write_check(JsonWriter& out, const model::Catalog& catalog, const model::Check& check) {
  const model::Node* node = catalog.node(check.node_id);
  const model::ServiceInstance* instance =
      check.service_id.empty() ? nullptr : catalog.instance(check.node_id, check.service_id);
  write_check(out, CheckShape{.check = check,
                              .node = node != nullptr ? std::string_view(node->name) : std::string_view(),
                              .service_tags = instance != nullptr ? std::span<const std::string>(instance->tags)
                                                                  : std::span<const std::string>()});
}

void write_health_entry(JsonWriter& out, const model::InstanceView& view) {
  out.begin_object();
  out.key("Node");
  write_json(out, *view.node);
  out.key("Service");
  write_json(out, *view.instance);
  out.key("Checks");
  out.begin_list();
  for (const model::Check* check : view.checks) {
    const bool own = !check->service_id.empty();
    write_check(out, CheckShape{.check = *check,
                                .node = view.node->name,
                                .service_tags = own ? std::span<const std::string>(view.instance->tags)
                                                    : std::span<const std::string>()});
  }
  out.end_list();
  out.end_object();
}

void write_catalog_service(JsonWriter& out, const model::InstanceView& view) {
  const model::Node& node = *view.node;
  const model::ServiceInstance& instance = *view.instance;
  out.begin_object();
  write_text(out, "ID", node.id);
  write_text(out, "Node", node.name);
  write_text(out, "Address", node.address);
  write_text(out, "Datacenter", node.datacenter);
  out.key("TaggedAddresses");
  write_pairs(out, node.tagged_addresses);
  out.key("NodeMeta");
  write_pairs(out, node.meta);
  write_text(out, "ServiceKind", "");
  write_text(out, "ServiceID", instance.id);
  write_text(out, "ServiceName", instance.name);
  out.key("ServiceTags");
  write_texts(out, instance.tags);
  write_text(out, "ServiceAddress", instance.address);
  write_service_addresses(out, instance);
  out.key("ServiceWeights");
  write_json(out, instance.weights);
  out.key("ServiceMeta");
  write_pairs(out, instance.meta);
  write_number(out, "ServicePort", instance.port);
  out.key("ServiceEnableTagOverride");
  out.boolean(instance.enable_tag_override);
  write_empty_object(out, "ServiceProxy");
  write_empty_object(out, "ServiceConnect");
  out.key("CreateIndex");
  out.unsigned_integer(instance.create_index);
  out.key("ModifyIndex");
  out.unsigned_integer(instance.modify_index);
  out.end_object();
}

void write_member(JsonWriter& out, const Member& member, std::string_view datacenter) {
  out.begin_object();
  write_text(out, "Name", member.name);
  write_text(out, "Addr", member.address);
  write_number(out, "Port", member.port);
  out.key("Tags");
  out.begin_object();
  write_text(out, "build", member.version.empty() ? version() : std::string_view(member.version));
  write_text(out, "dc", datacenter);
  write_text(out, "id", member.node_id);
  write_text(out, "role", member.server ? "consul" : "node");  // as clients know them
  out.end_object();
  write_number(out, "Status", static_cast<std::int64_t>(member.status));
  write_number(out, "ProtocolMin", 1);
  write_number(out, "ProtocolMax", 5);
  write_number(out, "ProtocolCur", 2);
  write_number(out, "DelegateMin", 2);
  write_number(out, "DelegateMax", 5);
  write_number(out, "DelegateCur", 4);
  out.end_object();
}

Member member_of(const model::Catalog& catalog, const model::Node& node) {
  const model::Check* health = catalog.check(node.id, model::kSerfHealth);
  const bool gone = health != nullptr && health->status == model::CheckStatus::Critical;
  return {.node_id = node.id.text(),
          .name = node.name,
          .address = node.address,
          .port = kGossipPort,
          .status = gone ? MemberStatus::Failed : MemberStatus::Alive,
          .server = false,
          .version = node.version};
}

Result<Selection> Selection::of(const Target& target) {
  Selection selection;
  if (const auto filter = target.query.get("filter"); filter && !filter->empty()) {
    return error(Code::Invalid, "filter: expressions are not offered yet; select by tag, node-meta or passing");
  }
  for (std::string_view pair : target.query.all("node-meta")) {
    const std::size_t colon = pair.find(':');
    if (colon == std::string_view::npos || colon == 0) {
      return error(Code::Invalid, "node-meta: \"{}\" is not KEY:VALUE", pair);
    }
    selection.node_meta_.emplace_back(pair.substr(0, colon), pair.substr(colon + 1));
  }
  for (std::string_view tag : target.query.all("tag")) {
    if (!tag.empty()) selection.tags_.emplace_back(tag);
  }
  selection.passing_ = target.flag("passing");
  return selection;
}

bool Selection::has(const model::Node& node) const {
  return std::all_of(node_meta_.begin(), node_meta_.end(), [&](const auto& pair) {
    const auto found = node.meta.find(pair.first);
    return found != node.meta.end() && found->second == pair.second;
  });
}

bool Selection::has(const model::InstanceView& view) const {
  if (passing_ && view.status != model::CheckStatus::Passing) return false;
  const auto& tags = view.instance->tags;
  const bool tagged = std::all_of(tags_.begin(), tags_.end(), [&](const std::string& wanted) {
    return std::any_of(tags.begin(), tags.end(), [&](const std::string& tag) { return model::same_name(tag, wanted); });
  });
  return tagged && has(*view.node);
}

}  // namespace mesh::agent
