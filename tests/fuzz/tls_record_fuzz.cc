// Records of TLS after the handshake. The input is a list of operations: good records of any type (the target holds the
// keys), changed ones, and raw bytes; they arrive in pieces. What is read must be the data of the good records in front of
// the first bad one, whatever comes behind.
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "net/tls/record.h"

namespace {

using namespace mesh;
using namespace mesh::net;

const TrafficKey& traffic_key() {
  static const TrafficKey key{Bytes(kTrafficKeyBytes, 'k'), Bytes(kTrafficSaltBytes, 's'), 1};
  return key;
}

struct Made {
  Bytes wire;
  Bytes plain;        // of the data records in front of the first that is not data, not empty, or not good
  bool exact = true;  // no other records came: all of plain must be read
};

Bytes record(RecordWriter& writer, RecordType type, ByteView plain) {
  Bytes out(plain.size() + kRecordOverheadBytes, '\0');
  writer.write(type, plain, out.data());
  return out;
}

Made make(ByteView input) {
  RecordWriter writer(traffic_key());
  Made made;
  while (input.size() >= 2) {
    const auto choice = static_cast<std::uint8_t>(input[0]);
    const std::size_t size = std::min<std::size_t>(static_cast<std::uint8_t>(input[1]), input.size() - 2);
    const ByteView content = input.substr(2, size);
    input.remove_prefix(2 + size);
    if ((choice & 7) == 7) {
      made.wire += content;  // raw
      made.exact = false;
      continue;
    }
    const auto type = static_cast<RecordType>(20 + (choice & 7));
    Bytes one = record(writer, type, content);
    const bool changed = (choice & 0x80) != 0;
    if (changed) one[choice % one.size()] = static_cast<char>(one[choice % one.size()] ^ (1 << (choice >> 4 & 7)));
    if (type != RecordType::Data || content.empty() || changed) made.exact = false;
    if (made.exact) made.plain += content;
    made.wire += one;
  }
  return made;
}

// As TlsStream does it: whole records from what is there, in pieces of `piece` bytes.
Bytes read_all(ByteView wire, std::size_t piece) {
  RecordReader reader(traffic_key());
  Bytes plain;
  Bytes waiting;
  Bytes out(kRecordPlainBytesMax, '\0');
  while (!wire.empty()) {
    waiting += wire.substr(0, piece);
    wire.remove_prefix(std::min(piece, wire.size()));
    for (;;) {
      const RecordReader::Step step = reader.next(waiting, out.data());
      CHECK(step.used <= waiting.size() && step.plain <= kRecordPlainBytesMax);
      if (step.what == RecordReader::What::More) {
        CHECK(step.whole > waiting.size() && step.whole <= kRecordBytesMax);
        break;
      }
      if (step.what == RecordReader::What::End) return plain;
      if (step.what == RecordReader::What::Failed) {
        CHECK(!reader.failure().message.empty());
        return plain;
      }
      CHECK(step.used >= kRecordOverheadBytes);
      plain.append(out, 0, step.plain);
      waiting.erase(0, step.used);
    }
  }
  return plain;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Made made = make(ByteView(reinterpret_cast<const char*>(data), size).substr(1));
  const Bytes plain = read_all(made.wire, std::size_t{1} + data[0]);
  CHECK(plain.compare(0, made.plain.size(), made.plain) == 0);
  CHECK(!made.exact || plain == made.plain);
  CHECK(plain == read_all(made.wire, kRecordBytesMax));
  return 0;
}
