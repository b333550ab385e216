#include "agent/dns/name.h"

namespace mesh::dns {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

void append_escaped(std::string& out, std::string_view label) {
  for (char c : label) {
    if (c > ' ' && c < 0x7f && c != '.' && c != '\\') {
      out += c;
    } else {
      out += fmt::format("\\{:03}", static_cast<unsigned char>(c));
    }
  }
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

Result<Name> Name::from_text(std::string_view text) {
  Name name;
  if (text.ends_with('.')) text.remove_suffix(1);
  while (!text.empty()) {
    const std::size_t dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (!name.append(label)) {
      return error(Code::Invalid, "not a domain name at \"{}\": labels have 1 to {} bytes, a name at most {}", label,
                   kLabelMax, kNameWireMax);
    }
    if (dot == std::string_view::npos) break;
    text.remove_prefix(dot + 1);
    if (text.empty()) return error(Code::Invalid, "not a domain name: empty label at the end");
  }
  return name;
}

std::string_view Name::label(std::size_t i) const {
  CHECK(i < count_, "label {} of {}", i, count_);
  const std::size_t at = offsets_[i];
  return {bytes_.data() + at + 1, static_cast<unsigned char>(bytes_[at])};
}

ByteView Name::wire() const { return {bytes_.data(), wire_size()}; }

bool Name::append(std::string_view label) {
  if (label.empty() || label.size() > kLabelMax) return false;
  if (wire_size() + label.size() + 1 > kNameWireMax) return false;
  offsets_[count_++] = size_;
  bytes_[size_] = static_cast<char>(label.size());
  label.copy(bytes_.data() + size_ + 1, label.size());
  size_ = static_cast<std::uint8_t>(size_ + label.size() + 1);
  bytes_[size_] = 0;
  return true;
}

bool Name::append(const Name& suffix) {
  if (size_ + suffix.wire_size() > kNameWireMax) return false;
  for (std::size_t i = 0; i < suffix.label_count(); ++i) {
    if (!append(suffix.label(i))) return false;
  }
  return true;
}

bool Name::equals(const Name& other) const { return count_ == other.count_ && is_within(other); }

// Length bytes are below 64 and so never change under lower(): whole wire forms compare as they are.
bool Name::is_within(const Name& ancestor) const {
  if (count_ < ancestor.count_) return false;
  return equal_ignoring_case(wire().substr(offset(count_ - ancestor.count_)), ancestor.wire());
}

std::string Name::text() const {
  if (count_ == 0) return ".";
  std::string out;
  for (std::size_t i = 0; i < count_; ++i) {
    append_escaped(out, label(i));
    out += '.';
  }
  return out;
}

}  // namespace mesh::dns
