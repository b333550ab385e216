// Messages from YAML, by their field tables; every fault is collected, none ends the reading. Names are read as in
// JSON (snake_case is the documented spelling). Unknown names are always faults, with their near miss. Any thread.
#pragma once

#include <string_view>
#include <vector>

#include "base/message.h"
#include "base/yaml.h"

namespace mesh {

void read_yaml_message(const YamlNode& node, std::string_view file, const MessageTable& table, void* message,
                       std::vector<YamlFinding>& findings);

// The message is complete if and only if nothing was added to `findings`.
template <Message M>
[[nodiscard]] M from_yaml(const YamlNode& node, std::string_view file, std::vector<YamlFinding>& findings) {
  M message{};
  read_yaml_message(node, file, M::table(), &message, findings);
  return message;
}

}  // namespace mesh
