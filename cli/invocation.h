// One run of a command: its words, the agent, and where its output goes. Main thread only.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "cli/client.h"
#include "cli/command.h"

namespace mesh::cli {

class Invocation {
 public:
  explicit Invocation(Parsed parsed) : parsed_(std::move(parsed)) {}

  [[nodiscard]] bool has(std::string_view flag) const { return parsed_.flags.contains(flag); }
  // The last value given, or `otherwise`.
  [[nodiscard]] std::string flag(std::string_view name, std::string_view otherwise = {}) const;
  // REQUIRES the command's table has it and it is not optional, or argument_count() > i.
  [[nodiscard]] const std::string& argument(std::size_t i) const;
  [[nodiscard]] std::size_t argument_count() const { return parsed_.arguments.size(); }
  [[nodiscard]] bool json() const { return has("json"); }

  // Connects on first use, by --address, --timeout and the environment.
  [[nodiscard]] Result<Client*> client();

  // Output is collected and written at the end, so that an error leaves no half table.
  void print(std::string_view text) { out_ += text; }
  // Indented JSON and a newline.
  void print_json(const JsonValue& value);
  [[nodiscard]] const std::string& out() const { return out_; }

  // The exit status if the command decides it itself (doctor); else by the Status.
  void set_exit(Exit exit) { exit_ = exit; }
  [[nodiscard]] Exit exit() const { return exit_; }

 private:
  Parsed parsed_;
  std::unique_ptr<Client> client_;
  std::string out_;
  Exit exit_ = Exit::Ok;
};

// Text of a member of a JSON object as a table cell: "" for what is missing, numbers and booleans as they read.
[[nodiscard]] std::string cell(const JsonValue& object, std::string_view name);

}  // namespace mesh::cli
