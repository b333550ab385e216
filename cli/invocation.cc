#include "cli/invocation.h"

#include <cstdlib>

#include "base/file.h"
#include "base/time_text.h"

namespace mesh::cli {
namespace {

constexpr ByteCount kTokenBytesMax{4096};

// The first word of the file.
Result<std::string> token_of(const Invocation& run) {
  const char* from_environment = std::getenv("MESHD_TOKEN_FILE");
  const std::string path = run.flag("secret-file", from_environment == nullptr ? "" : from_environment);
  if (path.empty()) return std::string();
  MESH_TRY(text, read_input_file(path, kTokenBytesMax).context("in --secret-file"));
  return text.substr(0, text.find_first_of(" \t\r\n"));
}

}  // namespace

std::string Invocation::flag(std::string_view name, std::string_view otherwise) const {
  const auto found = parsed_.flags.find(name);
  return found == parsed_.flags.end() || found->second.empty() ? std::string(otherwise) : found->second.back();
}

const std::string& Invocation::argument(std::size_t i) const {
  CHECK(i < parsed_.arguments.size(), "argument {} of {}", i, parsed_.arguments.size());
  return parsed_.arguments[i];
}

Result<Client*> Invocation::client() {
  if (client_ != nullptr) return client_.get();
  const char* address = std::getenv("MESHD_HTTP_ADDR");
  ClientOptions options;
  options.address = flag("address", address == nullptr ? "" : address);
  if (has("timeout")) {
    const auto timeout = parse_duration(flag("timeout"));
    if (!timeout || *timeout <= Duration{})
      return error(Code::Invalid, "--timeout: '{}' is not a time such as 10s or 500ms", flag("timeout"));
    options.timeout = *timeout;
  }
  MESH_TRY(token, token_of(*this));
  options.token = std::move(token);
  MESH_TRY(made, Client::make(options));
  client_ = std::move(made);
  return client_.get();
}

void Invocation::print_json(const JsonValue& value) {
  JsonWriter writer(out_, {.pretty = true});
  write_json(writer, value);
  out_ += '\n';
}

std::string cell(const JsonValue& object, std::string_view name) {
  const JsonValue* value = object.find(name);
  if (value == nullptr || value->is_null()) return {};
  if (const auto text = value->string()) return std::string(*text);
  std::string out;
  JsonWriter writer(out);
  write_json(writer, *value);
  return out;
}

}  // namespace mesh::cli
