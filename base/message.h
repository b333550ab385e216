// Field tables: a type is described once, one line per field, and its members, equality, wire form, JSON, YAML, the
// generated .proto and the docs follow from that line.
//
//   In node.h, each line of the list but the last ended by a backslash:
//     #define MESH_NODE_FIELDS(F)
//       F(1, std::string, name, "Node", "unique in the datacenter")
//       F(2, MapOf<std::string>, meta, "Meta", "free pairs", kOmitEmpty)
//     struct Node {
//       MESH_MESSAGE(Node, MESH_NODE_FIELDS)
//     };
//   In node.cc, in the same namespace:
//     MESH_MESSAGE_TABLE(Node, MESH_NODE_FIELDS)
//
// A line is (number on the wire, type, member, JSON name, doc [, flags]). Numbers ascend and are never used again for
// something else. Each member starts as T{} and has no other default: what is zero or empty is left out on the wire, so
// a product default belongs into the code that fills the message in.
//
// Member types: bool, int32/64, uint16/32/64, double (never in replicated types), std::string, StrongText<>, enums
// declared by MESH_ENUM, Strong<> integers, Duration and WallTime (nanoseconds on the wire), other messages (a type may
// contain itself through ListOf), and of each of these std::optional<T>, ListOf<T> = std::vector<T> (not of bool) and
// MapOf<T> = std::map<std::string, T> (sorted, so bytes are deterministic). std::string is text unless kBytes is set.
//
// Glossary: element = a value of the innermost type; shape = how many of them a member holds.
// To add a field: append one line to the list. To add a kind of value: FieldKind, ElementOf<> below, then every switch
// over FieldKind that the compiler names. Values only; any thread.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/strong.h"
#include "base/strong_text.h"
#include "base/time.h"

namespace mesh {

template <class T>
using ListOf = std::vector<T>;
template <class T>
using MapOf = std::map<std::string, T>;

enum class FieldKind : std::uint8_t { Bool, Int, Uint, Double, Text, Blob, Enum, Interval, Instant, Message };
enum class FieldShape : std::uint8_t { One, Optional, List, Map };

// Flags of a field; combine with |.
using FieldFlags = std::uint8_t;
inline constexpr FieldFlags kBytes = 1;       // a std::string that is not text: base64 in JSON, `bytes` in .proto
inline constexpr FieldFlags kOmitEmpty = 2;   // JSON leaves it out when it is zero or empty (else it is written)
inline constexpr FieldFlags kHidden = 4;      // wire only: neither written to nor read from JSON and YAML
inline constexpr FieldFlags kOutput = 8;      // written to JSON; ignored when read (indexes, computed values)
inline constexpr FieldFlags kShorthand = 16;  // the field that a bare text stands for where the message is expected
inline constexpr FieldFlags kBare = 32;       // only field of its message, whose JSON form is this field's own
inline constexpr FieldFlags kEmptyNull = 64;  // JSON writes null for an empty value

struct EnumRow {
  std::int32_t value;
  std::string_view name;  // the enumerator, for .proto
  std::string_view text;  // in JSON and YAML; compared without case
};
struct EnumTable {
  std::string_view name;
  std::span<const EnumRow> rows;  // has the value 0
};

struct MessageTable;

// What the codecs need to know of an element's type; one constant per C++ type.
struct ElementType {
  FieldKind kind;
  std::uint32_t size;           // sizeof
  std::string_view proto;       // scalar type name in .proto; empty for enums and messages
  std::uint64_t (*load)(const void* element);               // number kinds: as 64 bits, sign-extended
  bool (*store)(void* element, std::uint64_t value);        // false: out of the type's range, element untouched
  std::string_view (*text)(const void* element);            // Text, Blob
  void (*set_text)(void* element, std::string_view value);  // Text, Blob
  const MessageTable& (*message)();
  const EnumTable& (*enumeration)();
};

// How to reach the elements of a member that is not of shape One.
struct ContainerOps {
  using Visitor = void (*)(void* context, std::string_view key, const void* element);  // key: maps only
  std::size_t (*size)(const void* container);
  void (*each)(const void* container, void* context, Visitor visit);
  void* (*add)(void* container, std::string_view key);  // list: appends; map: inserts or resets; optional: the value
  void (*clear)(void* container);
};

struct FieldRow {
  std::uint32_t number;
  FieldKind kind;
  FieldShape shape;
  FieldFlags flags;
  std::string_view name;  // the member
  std::string_view json;
  std::string_view doc;
  void* (*member)(void* message);
  const ElementType* element;
  const ContainerOps* container;  // null for FieldShape::One

  [[nodiscard]] bool has(FieldFlags flag) const { return (flags & flag) != 0; }
  // The address of the member inside a message of the row's type.
  [[nodiscard]] void* in(void* message) const { return member(message); }
  [[nodiscard]] const void* in(const void* message) const { return member(const_cast<void*>(message)); }
};

struct MessageTable {
  std::string_view name;
  std::span<const FieldRow> rows;  // ascending numbers

  [[nodiscard]] const FieldRow* find(std::uint32_t number) const;
  [[nodiscard]] bool bare() const { return rows.size() == 1 && rows[0].has(kBare); }
};

template <class M>
concept Message = requires {
  { M::table() } -> std::same_as<const MessageTable&>;
};

// What decoding may cost. A message from an unauthenticated peer gets smaller limits than these.
struct DecodeLimits {
  std::size_t size_max = std::size_t{64} << 20;     // bytes of input; more: Code::Invalid
  std::size_t memory_max = std::size_t{256} << 20;  // bytes of elements built, by sizeof; more: Code::Invalid
};
inline constexpr int kMessageDepthMax = 32;  // nested messages on the wire and in JSON and YAML; more: an error

// Type-erased forms of the functions below. `message` points to an object of the table's type.
void encode_message(Bytes& out, const MessageTable& table, const void* message);
[[nodiscard]] Status decode_message(ByteView in, const MessageTable& table, void* message, const DecodeLimits& limits);

// Equal messages give equal bytes, in every process. Appends to `out`.
template <Message M>
void encode_to(Bytes& out, const M& message) {
  encode_message(out, M::table(), &message);
}
template <Message M>
[[nodiscard]] Bytes encode(const M& message) {
  Bytes out;
  encode_to(out, message);
  return out;
}
// Unknown fields are skipped. Code::Corrupt: cut, wrong wire type, a number or enum outside its type's range, too deep;
// Code::Invalid: over the limits. The error names the field by its path. Text is not checked for UTF-8 here (a command
// that everyone has replicated must not fail on one reader); JSON output replaces what is not UTF-8.
template <Message M>
[[nodiscard]] Result<M> decode(ByteView in, const DecodeLimits& limits = {}) {
  M message{};
  MESH_TRY_STATUS(decode_message(in, M::table(), &message, limits));
  return message;
}

// Enum names. `E` is declared by MESH_ENUM.
[[nodiscard]] std::string_view enum_text(const EnumTable& table, std::int64_t value);  // "" if unknown
[[nodiscard]] std::optional<std::int32_t> enum_value(const EnumTable& table, std::string_view text);
template <class E>
[[nodiscard]] std::string_view enum_text(E value) {
  return enum_text(enum_table(E{}), static_cast<std::int64_t>(value));
}
template <class E>
[[nodiscard]] std::optional<E> enum_from_text(std::string_view text) {
  const auto value = enum_value(enum_table(E{}), text);
  return value ? std::optional<E>(static_cast<E>(*value)) : std::nullopt;
}

namespace message_detail {

template <class T>
struct StrongInt : std::false_type {};
template <class Tag, class Int>
struct StrongInt<Strong<Tag, Int>> : std::true_type {};

template <class T>
concept TextLike = std::same_as<T, std::string> || requires { typename T::StrongTextTag; };

template <std::integral Int>
consteval std::string_view proto_integer() {
  if constexpr (std::is_signed_v<Int>) return sizeof(Int) > 4 ? "int64" : "int32";
  return sizeof(Int) > 4 ? "uint64" : "uint32";
}

template <std::integral Int>
bool fits(std::uint64_t value) {
  if constexpr (std::same_as<Int, bool>) {
    return value <= 1;
  } else if constexpr (std::is_signed_v<Int>) {
    return std::in_range<Int>(static_cast<std::int64_t>(value));
  } else {
    return std::in_range<Int>(value);
  }
}

template <std::integral Int>
std::uint64_t widen(Int value) {
  if constexpr (std::is_signed_v<Int>) return static_cast<std::uint64_t>(static_cast<std::int64_t>(value));
  return static_cast<std::uint64_t>(value);
}

// A number kind from a pair of conversions to and from a raw integer.
template <class T, class Int, auto Get, auto Make>
consteval ElementType number(FieldKind kind, std::string_view proto) {
  return {.kind = kind,
          .size = sizeof(T),
          .proto = proto,
          .load = [](const void* e) { return widen<Int>(Get(*static_cast<const T*>(e))); },
          .store =
              [](void* e, std::uint64_t value) {
                if (!fits<Int>(value)) return false;
                *static_cast<T*>(e) = Make(static_cast<Int>(value));
                return true;
              },
          .text = nullptr,
          .set_text = nullptr,
          .message = nullptr,
          .enumeration = nullptr};
}

bool known_enum_value(const EnumTable& table, std::uint64_t value);
std::uint64_t load_double(const void* element);
bool store_double(void* element, std::uint64_t value);

template <class T>
consteval ElementType element_of() {
  if constexpr (std::same_as<T, bool>) {
    return number<T, bool, [](bool v) { return v; }, [](bool v) { return v; }>(FieldKind::Bool, "bool");
  } else if constexpr (std::integral<T>) {
    return number<T, T, [](T v) { return v; }, [](T v) { return v; }>(
        std::is_signed_v<T> ? FieldKind::Int : FieldKind::Uint, proto_integer<T>());
  } else if constexpr (StrongInt<T>::value) {
    using Int = typename T::Raw;
    return number<T, Int, [](T v) { return v.value(); }, [](Int v) { return T(v); }>(
        std::is_signed_v<Int> ? FieldKind::Int : FieldKind::Uint, proto_integer<Int>());
  } else if constexpr (std::same_as<T, Duration>) {
    return number<T, std::int64_t, [](T v) { return std::int64_t{v.count()}; }, [](std::int64_t v) { return T(v); }>(
        FieldKind::Interval, "int64");
  } else if constexpr (std::same_as<T, WallTime>) {
    return number<T, std::int64_t, [](T v) { return std::int64_t{v.time_since_epoch().count()}; },
                  [](std::int64_t v) { return T(Duration(v)); }>(FieldKind::Instant, "int64");
  } else if constexpr (std::same_as<T, double>) {
    return {FieldKind::Double, sizeof(T), "double", load_double, store_double, nullptr, nullptr, nullptr, nullptr};
  } else if constexpr (std::is_enum_v<T>) {
    return {.kind = FieldKind::Enum,
            .size = sizeof(T),
            .proto = {},
            .load = [](const void* e) { return widen(static_cast<std::int32_t>(*static_cast<const T*>(e))); },
            .store =
                [](void* e, std::uint64_t value) {
                  if (!known_enum_value(enum_table(T{}), value)) return false;
                  *static_cast<T*>(e) = static_cast<T>(value);
                  return true;
                },
            .text = nullptr,
            .set_text = nullptr,
            .message = nullptr,
            .enumeration = []() -> const EnumTable& { return enum_table(T{}); }};
  } else if constexpr (TextLike<T>) {
    return {.kind = FieldKind::Text,
            .size = sizeof(T),
            .proto = "string",
            .load = nullptr,
            .store = nullptr,
            .text = [](const void* e) { return std::string_view(*static_cast<const T*>(e)); },
            .set_text = [](void* e, std::string_view value) { *static_cast<T*>(e) = T(value); },
            .message = nullptr,
            .enumeration = nullptr};
  } else {
    static_assert(Message<T>, "a member of a message has a type that field tables do not know");
    return {FieldKind::Message, sizeof(T), {}, nullptr, nullptr, nullptr, nullptr, &T::table, nullptr};
  }
}

template <class T>
inline constexpr ElementType kElement = element_of<T>();

// The shape of a member: its element type and the operations of its container.
template <class T>
struct ShapeOf {
  using Element = T;
  static constexpr FieldShape kShape = FieldShape::One;
  static constexpr const ContainerOps* kOps = nullptr;
};

template <class T>
struct ShapeOf<std::optional<T>> {
  using Element = T;
  using Self = std::optional<T>;
  static constexpr FieldShape kShape = FieldShape::Optional;
  static constexpr ContainerOps kTable = {
      [](const void* c) -> std::size_t { return static_cast<const Self*>(c)->has_value() ? 1 : 0; },
      [](const void* c, void* context, ContainerOps::Visitor visit) {
        if (const Self& self = *static_cast<const Self*>(c)) visit(context, {}, &*self);
      },
      [](void* c, std::string_view) -> void* {
        Self& self = *static_cast<Self*>(c);
        return self ? &*self : &self.emplace();
      },
      [](void* c) { static_cast<Self*>(c)->reset(); }};
  static constexpr const ContainerOps* kOps = &kTable;
};

template <class T>
struct ShapeOf<std::vector<T>> {
  static_assert(!std::same_as<T, bool>, "std::vector<bool> has no addressable elements");
  using Element = T;
  using Self = std::vector<T>;
  static constexpr FieldShape kShape = FieldShape::List;
  static constexpr ContainerOps kTable = {
      [](const void* c) -> std::size_t { return static_cast<const Self*>(c)->size(); },
      [](const void* c, void* context, ContainerOps::Visitor visit) {
        for (const T& element : *static_cast<const Self*>(c)) visit(context, {}, &element);
      },
      [](void* c, std::string_view) -> void* { return &static_cast<Self*>(c)->emplace_back(); },
      [](void* c) { static_cast<Self*>(c)->clear(); }};
  static constexpr const ContainerOps* kOps = &kTable;
};

template <class T>
struct ShapeOf<std::map<std::string, T>> {
  using Element = T;
  using Self = std::map<std::string, T>;
  static constexpr FieldShape kShape = FieldShape::Map;
  static constexpr ContainerOps kTable = {
      [](const void* c) -> std::size_t { return static_cast<const Self*>(c)->size(); },
      [](const void* c, void* context, ContainerOps::Visitor visit) {
        for (const auto& [key, element] : *static_cast<const Self*>(c)) visit(context, key, &element);
      },
      [](void* c, std::string_view key) -> void* {
        return &static_cast<Self*>(c)->insert_or_assign(std::string(key), T{}).first->second;
      },
      [](void* c) { static_cast<Self*>(c)->clear(); }};
  static constexpr const ContainerOps* kOps = &kTable;
};

template <class P>
struct MemberPointer;
template <class M, class T>
struct MemberPointer<T M::*> {
  using Owner = M;
  using Type = T;
};

template <auto Pointer>
consteval FieldRow row(std::uint32_t number, std::string_view name, std::string_view json, std::string_view doc,
                       FieldFlags flags = 0) {
  using Owner = typename MemberPointer<decltype(Pointer)>::Owner;
  using Shape = ShapeOf<typename MemberPointer<decltype(Pointer)>::Type>;
  const ElementType* element = &kElement<typename Shape::Element>;
  return {.number = number,
          .kind = (flags & kBytes) != 0 ? FieldKind::Blob : element->kind,
          .shape = Shape::kShape,
          .flags = flags,
          .name = name,
          .json = json,
          .doc = doc,
          .member = [](void* message) -> void* { return &(static_cast<Owner*>(message)->*Pointer); },
          .element = element,
          .container = Shape::kOps};
}

// Fails to compile when the numbers do not ascend inside protobuf's ranges, or when kBytes is set on what is no string.
consteval MessageTable checked(std::string_view name, std::span<const FieldRow> rows) {
  std::uint32_t last = 0;
  for (const FieldRow& row : rows) {
    const bool reserved = row.number >= 19000 && row.number <= 19999;
    const bool bytes_of_text = (row.flags & kBytes) == 0 || row.element->kind == FieldKind::Text;
    if (row.number <= last || row.number >= (1U << 29) || reserved || !bytes_of_text) throw "bad field list";
    last = row.number;
  }
  return {name, rows};
}

consteval EnumTable checked(std::string_view name, std::span<const EnumRow> rows) {
  if (rows.empty() || rows[0].value != 0) throw "the first value of an enum in a field table is 0";
  return {name, rows};
}

}  // namespace message_detail
}  // namespace mesh

#define MESH_FIELD_MEMBER(number, type, member, ...) type member{};
#define MESH_FIELD_EQUAL(number, type, member, ...) && left.member == right.member
#define MESH_FIELD_ROW(number, type, member, ...) \
  ::mesh::message_detail::row<&MeshSelf::member>(number, #member, __VA_ARGS__),

// The body of a message type.
#define MESH_MESSAGE(Type, FIELDS)                             \
  FIELDS(MESH_FIELD_MEMBER)                                    \
  friend bool operator==(const Type&, const Type&);            \
  static const ::mesh::MessageTable& table();

// Its table and equality; once, in the .cc, in the type's namespace.
#define MESH_MESSAGE_TABLE(Type, FIELDS)                                                                        \
  const ::mesh::MessageTable& Type::table() {                                                                   \
    using MeshSelf = Type;                                                                                      \
    static constexpr ::mesh::FieldRow kRows[] = {FIELDS(MESH_FIELD_ROW)};                                       \
    static constexpr ::mesh::MessageTable kTable = ::mesh::message_detail::checked(#Type, kRows);               \
    return kTable;                                                                                              \
  }                                                                                                             \
  [[maybe_unused]] bool operator==(const Type& left, const Type& right) {                                       \
    return true FIELDS(MESH_FIELD_EQUAL);                                                                       \
  }

#define MESH_ENUM_MEMBER(value, name, text) name = value,
#define MESH_ENUM_ROW(value, name, text) {value, #name, text},

// An enum: a list of (value, Enumerator, "text"), the first value 0; an enum class over `Int`.
//   #define MESH_COLOUR_VALUES(E) E(0, Red, "red") E(1, Green, "green")
//   MESH_ENUM(Colour, std::uint8_t, MESH_COLOUR_VALUES)      and in the .cc: MESH_ENUM_TABLE(Colour, MESH_COLOUR_VALUES)
#define MESH_ENUM(Type, Int, VALUES)                  \
  enum class Type : Int { VALUES(MESH_ENUM_MEMBER) }; \
  const ::mesh::EnumTable& enum_table(Type);

#define MESH_ENUM_TABLE(Type, VALUES)                                                           \
  const ::mesh::EnumTable& enum_table(Type) {                                                   \
    static constexpr ::mesh::EnumRow kRows[] = {VALUES(MESH_ENUM_ROW)};                         \
    static constexpr ::mesh::EnumTable kTable = ::mesh::message_detail::checked(#Type, kRows);  \
    return kTable;                                                                              \
  }
