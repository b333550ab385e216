// Commands for the product's state machine, made by hand or drawn. Deterministic; values only.
#pragma once

#include <fmt/core.h>

#include <string>

#include "base/rng.h"
#include "model/command.h"

namespace mesh {

inline model::RegisterCommand registration(std::string node, std::string service = "", std::string id = "") {
  model::RegisterCommand body;
  body.node.name = std::move(node);
  body.node.address = "10.0.0.1";
  if (service.empty()) return body;
  model::ServiceInstance& instance = body.services.emplace_back();
  instance.name = std::move(service);
  instance.id = id.empty() ? instance.name : std::move(id);
  return body;
}

inline model::KvCommand kv_command(model::KvOp op, std::string key, std::string value = "", std::uint64_t index = 0) {
  model::KvCommand body;
  body.op = op;
  body.key = std::move(key);
  body.value = std::move(value);
  body.index = index;
  return body;
}

inline model::Command random_registration(Rng& rng, const std::string& node, const std::string& service) {
  model::RegisterCommand body = registration(node, service, rng.below(2) == 0 ? "one" : "");
  if (rng.below(2) == 0) {
    model::Check& check = body.checks.emplace_back();
    check.check_id = fmt::format("c{}", rng.below(2));
    check.service_id = rng.below(2) == 0 ? "" : "one";
  }
  return model::make_command(body);
}

// Of few nodes, services and keys, so that commands meet each other's rows. Without request id, time and random bytes.
inline model::Command random_command(Rng& rng) {
  const std::string node = fmt::format("n{}", rng.below(3));
  const std::string service = fmt::format("s{}", rng.below(4));
  const std::string key = fmt::format("{}/{}", rng.below(3), rng.below(3));
  switch (rng.below(10)) {
    case 0: {
      model::DeregisterCommand body;
      body.node = node;
      if (rng.below(4) != 0) body.service_id = service;
      return model::make_command(body);
    }
    case 1: {
      model::CheckUpdateCommand body;
      body.node = node;
      body.check_id = fmt::format("c{}", rng.below(2));
      body.status = static_cast<model::CheckStatus>(rng.below(3));
      return model::make_command(body);
    }
    case 2: {
      model::IntentionUpsertCommand body;
      body.intention.source = service;
      body.intention.destination = fmt::format("s{}", rng.below(4));
      return model::make_command(body);
    }
    case 3: {
      model::IntentionDeleteCommand body;
      body.source = service;
      body.destination = fmt::format("s{}", rng.below(4));
      return model::make_command(body);
    }
    case 4:
    case 5:
    case 6: {
      const auto op = static_cast<model::KvOp>(rng.below(5));
      return model::make_command(kv_command(op, op == model::KvOp::DeleteTree ? key.substr(0, 2) : key,
                                            fmt::format("v{}", rng.below(3)), rng.below(80)));
    }
    default:
      return random_registration(rng, node, service);
  }
}

}  // namespace mesh
