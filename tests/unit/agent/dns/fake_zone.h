// A zone from a few lines of text, for tests and for the fuzz target:
//
//   node NAME ADDRESS [key=value...]
//   service NAME NODE ADDRESS|- PORT passing|warning|critical WEIGHT [tag...]
//   mesh NAME ADDRESS
//
// "#" starts a comment line.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "agent/dns/locate.h"
#include "agent/dns/zone.h"

namespace mesh::dns {

class FakeZone final : public Zone {
 public:
  explicit FakeZone(std::string_view text) {
    std::istringstream lines{std::string(text)};
    for (std::string line; std::getline(lines, line);) add(line);
  }

  [[nodiscard]] std::uint32_t serial() const override { return 7; }

  void instances(std::string_view service, std::vector<Instance>& out) const override {
    for (const Row& row : rows_) {
      if (!equal_ignoring_case(row.service, service)) continue;
      const auto host = node(row.node);
      out.push_back({.node = host->name,
                     .node_address = host->address,
                     .address = row.address,
                     .port = row.port,
                     .weight = row.weight,
                     .health = row.health,
                     .tags = row.tags});
    }
  }

  [[nodiscard]] std::optional<Node> node(std::string_view name) const override {
    for (const Host& host : hosts_) {
      if (equal_ignoring_case(host.name, name)) return Node{host.name, host.address, &host.meta};
    }
    return std::nullopt;
  }

  [[nodiscard]] std::optional<std::string_view> mesh_address(std::string_view service) const override {
    for (const auto& [name, address] : mesh_) {
      if (equal_ignoring_case(name, service)) return address;
    }
    return std::nullopt;
  }

  void names_of(std::string_view address, std::vector<std::string>& out) const override {
    for (const Host& host : hosts_) {
      if (host.address == address) out.push_back(host.name + ".node.dc1");
    }
    for (const Row& row : rows_) {
      if (row.address == address) out.push_back(row.service + ".service");
    }
    for (const auto& [name, own] : mesh_) {
      if (own == address) out.push_back(name);
    }
  }

 private:
  struct Host {
    std::string name;
    std::string address;
    std::map<std::string, std::string> meta;
  };
  struct Row {
    std::string service;
    std::string node;
    std::string address;
    std::uint16_t port = 0;
    std::uint16_t weight = 1;
    Health health = Health::Passing;
    std::vector<std::string> tags;
  };

  void add(const std::string& line) {
    std::istringstream words(line);
    std::string kind;
    words >> kind;
    if (kind == "node") add_node(words);
    if (kind == "service") add_service(words);
    if (kind == "mesh") {
      std::string name;
      std::string address;
      words >> name >> address;
      mesh_[name] = address;
    }
  }

  void add_node(std::istringstream& words) {
    Host host;
    words >> host.name >> host.address;
    for (std::string pair; words >> pair;) host.meta[pair.substr(0, pair.find('='))] = pair.substr(pair.find('=') + 1);
    hosts_.push_back(std::move(host));
  }

  void add_service(std::istringstream& words) {
    Row row;
    std::string health;
    words >> row.service >> row.node >> row.address >> row.port >> health >> row.weight;
    if (row.address == "-") row.address.clear();
    if (health == "warning") row.health = Health::Warning;
    if (health == "critical") row.health = Health::Critical;
    for (std::string tag; words >> tag;) row.tags.push_back(tag);
    rows_.push_back(std::move(row));
  }

  std::list<Host> hosts_;
  std::list<Row> rows_;
  std::map<std::string, std::string> mesh_;
};

}  // namespace mesh::dns
