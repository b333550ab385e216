#include "agent/http_api/target.h"

#include <algorithm>
#include <charconv>

#include "base/time_text.h"
#include "model/names.h"

namespace mesh::agent {

bool Target::flag(std::string_view name) const {
  const auto value = query.get(name);
  return value && *value != "0" && *value != "false";
}

Result<std::optional<std::uint64_t>> Target::number(std::string_view name) const {
  const auto text = query.get(name);
  if (!text || text->empty()) return std::optional<std::uint64_t>();
  std::uint64_t value = 0;
  const auto [end, problem] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (problem != std::errc() || end != text->data() + text->size()) {
    return error(Code::Invalid, "{}: \"{}\" is not a whole number from 0 to 2^64-1", name, *text);
  }
  return std::optional(value);
}

Result<ReadOptions> read_options(const Target& target) {
  ReadOptions options;
  const bool stale = target.flag("stale");
  const bool consistent = target.flag("consistent");
  if (stale && consistent) {
    return error(Code::Invalid, "stale, consistent: cannot be had at once, give one of them");
  }
  if (stale) options.mode = model::ReadMode::Stale;
  if (consistent) options.mode = model::ReadMode::Consistent;
  MESH_TRY(index, target.number("index"));
  options.min_index = index.value_or(0);
  if (const auto wait = target.query.get("wait"); wait && !wait->empty()) {
    const auto duration = parse_duration(*wait);
    if (!duration || *duration < Duration{0}) {
      return error(Code::Invalid, "wait: \"{}\" is not a duration such as 10s or 1m30s", *wait);
    }
    if (*duration > Duration{0}) options.wait = std::min<Duration>(*duration, kWaitMax);
  }
  return options;
}

Status check_datacenter(std::string_view dc, std::string_view own) {
  if (dc.empty() || model::same_name(dc, own)) return {};
  return error(Code::Precondition, "No path to datacenter \"{}\": this mesh knows \"{}\" only", dc, own);
}

}  // namespace mesh::agent
