#include "agent/dns/locate.h"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "net/address.h"

namespace mesh::dns {
namespace {

constexpr std::array<std::string_view, 7> kKinds = {"service", "node",    "addr", "virtual",
                                                    "connect", "ingress", "query"};

using Labels = std::span<const std::string_view>;

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string join(Labels labels) {
  std::string out;
  for (std::string_view label : labels) {
    if (!out.empty()) out += '.';
    out += label;
  }
  return out;
}

bool is_kind(std::string_view label) {
  return std::any_of(kKinds.begin(), kKinds.end(),
                     [&](std::string_view kind) { return equal_ignoring_case(kind, label); });
}

// "7f000001" or 32 digits.
std::string hex_address(std::string_view text) {
  if (text.size() != 8 && text.size() != 32) return {};
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_digit(text[i]);
    const int low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return {};
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

enum class Dc : std::uint8_t { Ours, Other, NoForm };

// What stands between the kind and the domain: nothing, DC, or DC.dc.
Dc datacenter_of(Labels suffix, const Settings& settings) {
  if (suffix.empty()) return Dc::Ours;
  if (suffix.size() > 2 || (suffix.size() == 2 && !equal_ignoring_case(suffix[1], "dc"))) return Dc::NoForm;
  return equal_ignoring_case(suffix[0], settings.datacenter) ? Dc::Ours : Dc::Other;
}

void locate_service(Labels parts, Location& out) {
  const bool underscores = parts.size() == 2 && parts[0].starts_with('_') && parts[1].starts_with('_');
  if (parts.size() == 1 && parts[0].starts_with('_')) {  // "_tcp.service": the way to _web._tcp.service
    out.place = Place::Structure;
    return;
  }
  out.place = Place::Service;
  if (underscores) {
    const std::string_view tag = parts[1].substr(1);
    out.name = parts[0].substr(1);
    if (!equal_ignoring_case(tag, "tcp") && !equal_ignoring_case(tag, "udp")) out.tag = tag;
    return;
  }
  out.name = parts.back();
  out.tag = join(parts.first(parts.size() - 1));
}

void locate_kind(std::string_view kind, Labels parts, Location& out) {
  if (parts.empty()) {
    out.place = Place::Structure;
  } else if (equal_ignoring_case(kind, "service")) {
    locate_service(parts, out);
  } else if (equal_ignoring_case(kind, "node")) {
    out.place = Place::Node;
    out.name = join(parts);
  } else if (equal_ignoring_case(kind, "virtual") && parts.size() == 1) {
    out.place = Place::Mesh;
    out.name = parts[0];
  } else if (equal_ignoring_case(kind, "addr") && parts.size() == 1) {
    out.address = hex_address(parts[0]);
    out.place = out.address.empty() ? Place::Nowhere : Place::Address;
  } else {
    out.place = Place::Nowhere;
  }
}

// No kind among the labels: a mesh name, or the datacenter on the way to a longer name.
void locate_plain(Labels labels, const Settings& settings, Location& out) {
  const bool ours = datacenter_of(labels, settings) == Dc::Ours;
  if (labels.size() == 1) {
    out.place = equal_ignoring_case(labels[0], "dc") ? Place::Structure : Place::Mesh;
    out.name = labels[0];
  } else {
    out.place = ours ? Place::Structure : Place::Nowhere;
  }
}

void locate_inside(Labels labels, const Settings& settings, Location& out) {
  if (labels.empty()) {
    out.place = Place::Apex;
    return;
  }
  for (std::size_t i = labels.size(); i-- > 0;) {
    const bool kind = is_kind(labels[i]);
    if (!kind && !labels[i].starts_with('_')) continue;
    const Dc dc = datacenter_of(labels.subspan(i + 1), settings);
    if (dc != Dc::Ours) {
      out.place = dc == Dc::Other ? Place::OtherDatacenter : Place::Nowhere;
    } else {
      locate_kind(kind ? labels[i] : "service", labels.first(kind ? i : i + 1), out);
    }
    return;
  }
  locate_plain(labels, settings, out);
}

// "1.0.0.127.in-addr.arpa" and the nibbles of ip6.arpa (RFC 1035 section 3.5, RFC 3596 section 2.5); only whole
// addresses count, everything else under arpa is not ours.
std::string reverse_address(Labels labels) {
  if (labels.size() < 2 || !equal_ignoring_case(labels.back(), "arpa")) return {};
  const std::string_view zone = labels[labels.size() - 2];
  Labels digits = labels.first(labels.size() - 2);
  std::string text;
  if (equal_ignoring_case(zone, "in-addr") && digits.size() == 4) {
    return ip_bytes(fmt::format("{}.{}.{}.{}", digits[3], digits[2], digits[1], digits[0]));
  }
  if (!equal_ignoring_case(zone, "ip6") || digits.size() != 32) return {};
  for (std::size_t i = digits.size(); i-- > 0;) {
    if (digits[i].size() != 1) return {};
    text += digits[i];
  }
  return hex_address(text);
}

}  // namespace

Location locate(const Name& name, const Settings& settings) {
  std::vector<std::string_view> labels(name.label_count());
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = name.label(i);
  Location out;
  for (const Name& domain : settings.domains) {
    if (!name.is_within(domain)) continue;
    out.domain = &domain;
    locate_inside(Labels(labels).first(labels.size() - domain.label_count()), settings, out);
    return out;
  }
  out.address = reverse_address(labels);
  if (!out.address.empty()) out.place = Place::Reverse;
  return out;
}

std::string ip_bytes(std::string_view text) {
  const auto ip = net::IpAddress::parse(text);
  if (!ip.ok()) return {};
  const auto& bytes = ip->bytes();
  return std::string(bytes.begin(), bytes.begin() + (ip->is_v4() ? 4 : 16));
}

std::string ip_text(std::string_view bytes) {
  CHECK(bytes.size() == 4 || bytes.size() == 16, "address of {} bytes", bytes.size());
  if (bytes.size() == 4) return net::IpAddress::v4(read_be32(bytes)).to_string();
  std::array<std::uint8_t, 16> octets{};
  std::copy(bytes.begin(), bytes.end(), octets.begin());
  return net::IpAddress::v6(octets).to_string();
}

}  // namespace mesh::dns
