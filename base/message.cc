#include "base/message.h"

#include <bit>

#include "base/message_access.h"
#include "base/wire.h"

namespace mesh {
namespace {

bool is_number(FieldKind kind) {
  return kind != FieldKind::Text && kind != FieldKind::Blob && kind != FieldKind::Message;
}

WireType wire_type(FieldKind kind) {
  if (!is_number(kind)) return WireType::Length;
  return kind == FieldKind::Double ? WireType::Fixed64 : WireType::Varint;
}

void put_number(WireWriter& wire, const FieldRow& row, const void* element) {
  const std::uint64_t value = row.element->load(element);
  row.kind == FieldKind::Double ? wire.fixed64(value) : wire.varint(value);
}

// The element's value without its tag; what has a length carries it.
void put_value(Bytes& out, const FieldRow& row, const void* element) {
  WireWriter wire(out);
  if (is_number(row.kind)) return put_number(wire, row, element);
  if (row.kind != FieldKind::Message) return wire.bytes(row.element->text(element));
  const std::size_t mark = wire.begin();
  encode_message(out, row.element->message(), element);
  wire.end(mark);
}

void put_tagged(Bytes& out, std::uint32_t number, const FieldRow& row, const void* element) {
  WireWriter(out).tag(number, wire_type(row.kind));
  put_value(out, row, element);
}

void put_packed(Bytes& out, const FieldRow& row, const void* list) {
  WireWriter wire(out);
  wire.tag(row.number, WireType::Length);
  const std::size_t mark = wire.begin();
  each_element(row, list, [&](std::string_view, const void* element) { put_number(wire, row, element); });
  wire.end(mark);
}

void put_map(Bytes& out, const FieldRow& row, const void* map) {
  WireWriter wire(out);
  each_element(row, map, [&](std::string_view key, const void* element) {
    wire.tag(row.number, WireType::Length);
    const std::size_t mark = wire.begin();
    wire.tag(1, WireType::Length);
    wire.bytes(key);
    put_tagged(out, 2, row, element);
    wire.end(mark);
  });
}

void put_field(Bytes& out, const FieldRow& row, const void* member) {
  if (is_empty_field(row, member)) return;
  if (row.shape == FieldShape::Map) return put_map(out, row, member);
  if (row.shape == FieldShape::List && is_number(row.kind)) return put_packed(out, row, member);
  each_element(row, member, [&](std::string_view, const void* element) { put_tagged(out, row.number, row, element); });
}

// One decoding: the limits are shared by all nested messages.
class Decoder {
 public:
  explicit Decoder(const DecodeLimits& limits) : memory_left_(limits.memory_max) {}

  Status message(ByteView in, const MessageTable& table, void* message, int depth) {
    if (depth > kMessageDepthMax) return error(Code::Corrupt, "messages nested over {} deep", kMessageDepthMax);
    WireReader wire(in);
    std::uint32_t number = 0;
    WireType type{};
    while (wire.next(number, type)) {
      const FieldRow* row = table.find(number);
      if (row == nullptr) {
        wire.skip(type);
        continue;
      }
      if (Status status = field(wire, *row, type, row->in(message), depth); !status.ok()) {
        return std::move(status).error().context("{}.{}", table.name, row->name);
      }
    }
    return wire.status();
  }

 private:
  Status field(WireReader& wire, const FieldRow& row, WireType type, void* member, int depth) {
    if (row.shape == FieldShape::Map) return map_entry(wire, row, type, member, depth);
    if (row.shape == FieldShape::List && type == WireType::Length && is_number(row.kind)) {
      return packed(wire, row, member);
    }
    if (type != wire_type(row.kind)) return error(Code::Corrupt, "wire type {}", static_cast<int>(type));
    MESH_TRY(element, add(row, member, {}));
    return value(wire, row, element, depth);
  }

  Status packed(WireReader& wire, const FieldRow& row, void* list) {
    const ByteView body = wire.bytes();
    WireReader numbers(body);
    while (!numbers.done()) {
      MESH_TRY(element, add(row, list, {}));
      MESH_TRY_STATUS(value(numbers, row, element, 0));
    }
    MESH_TRY_STATUS(wire.status());
    return numbers.status();
  }

  // A map's entry is a message of its own with key = 1 and value = 2, each of which may be absent or come twice.
  Status map_entry(WireReader& wire, const FieldRow& row, WireType type, void* map, int depth) {
    if (type != WireType::Length) return error(Code::Corrupt, "wire type {}", static_cast<int>(type));
    const ByteView body = wire.bytes();
    MESH_TRY_STATUS(wire.status());
    MESH_TRY(key, entry_key(body));
    if (key.size() > memory_left_) return over_memory();
    memory_left_ -= key.size();
    MESH_TRY(element, add(row, map, key));
    WireReader entry(body);
    std::uint32_t number = 0;
    while (entry.next(number, type)) {
      if (number != 2) {
        entry.skip(type);
        continue;
      }
      if (type != wire_type(row.kind)) return error(Code::Corrupt, "wire type {}", static_cast<int>(type));
      MESH_TRY_STATUS(value(entry, row, element, depth));
    }
    return entry.status();
  }

  static Result<ByteView> entry_key(ByteView body) {
    WireReader entry(body);
    std::uint32_t number = 0;
    WireType type{};
    ByteView key;
    while (entry.next(number, type)) {
      if (number == 1 && type != WireType::Length) return error(Code::Corrupt, "map key is not text");
      if (number == 1) {
        key = entry.bytes();
      } else {
        entry.skip(type);
      }
    }
    MESH_TRY_STATUS(entry.status());
    return key;
  }

  Status value(WireReader& wire, const FieldRow& row, void* element, int depth) {
    if (is_number(row.kind)) {
      const std::uint64_t number = row.kind == FieldKind::Double ? wire.fixed64() : wire.varint();
      MESH_TRY_STATUS(wire.status());
      if (!row.element->store(element, number)) return error(Code::Corrupt, "value {} out of range", number);
      return {};
    }
    const ByteView body = wire.bytes();
    MESH_TRY_STATUS(wire.status());
    if (row.kind == FieldKind::Message) return message(body, row.element->message(), element, depth + 1);
    row.element->set_text(element, body);
    return {};
  }

  Result<void*> add(const FieldRow& row, void* member, std::string_view key) {
    if (row.shape != FieldShape::One) {
      if (row.element->size > memory_left_) return over_memory();
      memory_left_ -= row.element->size;
    }
    return add_element(row, member, key);
  }

  static Error over_memory() { return error(Code::Invalid, "more elements than the memory limit allows"); }

  std::size_t memory_left_;
};

bool same_text(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

}  // namespace

bool is_empty_field(const FieldRow& row, const void* member) {
  if (row.container != nullptr) return row.container->size(member) == 0;
  if (is_number(row.kind)) return row.element->load(member) == 0;
  if (row.kind == FieldKind::Message) return is_empty_message(row.element->message(), member);
  return row.element->text(member).empty();
}

bool is_empty_message(const MessageTable& table, const void* message) {
  for (const FieldRow& row : table.rows) {
    if (!is_empty_field(row, row.in(message))) return false;
  }
  return true;
}

const FieldRow* MessageTable::find(std::uint32_t number) const {
  if (number - 1 < rows.size() && rows[number - 1].number == number) return &rows[number - 1];
  for (const FieldRow& row : rows) {
    if (row.number == number) return &row;
  }
  return nullptr;
}

void encode_message(Bytes& out, const MessageTable& table, const void* message) {
  for (const FieldRow& row : table.rows) put_field(out, row, row.in(message));
}

Status decode_message(ByteView in, const MessageTable& table, void* message, const DecodeLimits& limits) {
  if (in.size() > limits.size_max) {
    return error(Code::Invalid, "{} of {} bytes is over the limit of {}", table.name, in.size(), limits.size_max);
  }
  return Decoder(limits).message(in, table, message, 1);
}

std::string_view enum_text(const EnumTable& table, std::int64_t value) {
  for (const EnumRow& row : table.rows) {
    if (row.value == value) return row.text;
  }
  return {};
}

std::optional<std::int32_t> enum_value(const EnumTable& table, std::string_view text) {
  for (const EnumRow& row : table.rows) {
    if (same_text(row.text, text)) return row.value;
  }
  return std::nullopt;
}

namespace message_detail {

bool known_enum_value(const EnumTable& table, std::uint64_t value) {
  for (const EnumRow& row : table.rows) {
    if (value == static_cast<std::uint64_t>(std::int64_t{row.value})) return true;
  }
  return false;
}

std::uint64_t load_double(const void* element) {
  return std::bit_cast<std::uint64_t>(*static_cast<const double*>(element));
}

bool store_double(void* element, std::uint64_t value) {
  *static_cast<double*>(element) = std::bit_cast<double>(value);
  return true;
}

}  // namespace message_detail
}  // namespace mesh
