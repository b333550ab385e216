// Preface and status of mesh-tcp/1: any split of the bytes gives the same result, nothing is taken beyond the frame, what is
// accepted keeps its bounds and is read again as the same.
#include <cstdint>

#include "agent/proxy/preface.h"
#include "base/check.h"

using namespace mesh;
using namespace mesh::proxy;

namespace {

struct Outcome {
  bool failed = false;
  bool whole = false;
  std::size_t left = 0;
  FrameReader reader;
};

Outcome feed(ByteView data, std::size_t first) {
  Outcome out;
  ByteView pieces[] = {data.substr(0, first), data.substr(std::min(first, data.size()))};
  for (ByteView& piece : pieces) {
    if (out.whole) {
      out.left += piece.size();
      continue;
    }
    const auto whole = out.reader.feed(piece);
    out.failed = !whole.ok();
    if (out.failed) return out;
    out.whole = *whole;
    out.left += piece.size();
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const ByteView bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome once = feed(bytes, bytes.size());
  const Outcome split = feed(bytes, std::min<std::size_t>(data[0], bytes.size()));
  CHECK(once.failed == split.failed && once.whole == split.whole);
  if (once.failed || !once.whole) return 0;
  CHECK(once.left == split.left);
  CHECK(bytes.size() - once.left <= kPrefaceHeadBytes + kPrefaceMessageBytesMax);
  if (const auto preface = once.reader.preface(); preface.ok()) {
    CHECK(preface->instance.size() <= kPrefaceInstanceBytesMax && preface->port.size() <= kPrefacePortBytesMax);
    const Bytes again = encode_preface(*preface);
    ByteView view = again;
    FrameReader reader;
    CHECK(*reader.feed(view) && view.empty() && *reader.preface() == *preface);
  }
  if (const auto status = once.reader.status(); status.ok()) {
    CHECK(status->text.size() <= kStatusTextBytesMax && status->rule.size() <= kStatusRuleBytesMax);
    (void)model::reason_code_of(status->reason);
    ByteView view;
    const Bytes again = encode_status(*status);
    view = again;
    FrameReader reader;
    CHECK(*reader.feed(view) && reader.status().ok());
  }
  return 0;
}
