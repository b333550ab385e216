#include "net/http2/output.h"

#include <algorithm>

#include "base/check.h"
#include "net/byte_stream.h"

namespace mesh::net {

namespace {
constexpr std::size_t kCopyBytesMax = 2048;  // a shorter part is cheaper to copy than to gather
}

void WriteBatch::copy(ByteView bytes) {
  if (bytes.empty()) return;
  copied_.append(bytes);
  bytes_ += bytes.size();
  if (pieces_.empty() || pieces_.back().owner != nullptr) pieces_.emplace_back();
  pieces_.back().copied += bytes.size();
}

void WriteBatch::keep(SharedBytes owner, ByteView part) {
  if (part.size() <= kCopyBytesMax) return copy(part);
  bytes_ += part.size();
  pieces_.push_back(Piece{0, part, std::move(owner)});
}

void WriteBatch::write_to(ByteStream& stream) {
  if (bytes_ == 0) return;
  std::vector<ByteView> views;
  views.reserve(pieces_.size());
  ByteView copied = copied_;
  for (const Piece& piece : pieces_) {
    if (piece.owner != nullptr) {
      views.push_back(piece.part);
      continue;
    }
    views.push_back(copied.substr(0, piece.copied));
    copied.remove_prefix(piece.copied);
  }
  (void)stream.write(views);
  copied_.clear();
  pieces_.clear();
  bytes_ = 0;
}

void SendQueue::push(SharedBytes bytes) {
  if (bytes->empty()) return;
  bytes_ += bytes->size();
  chunks_.push_back(std::move(bytes));
}

void SendQueue::move_to(WriteBatch& batch, std::size_t bytes) {
  CHECK(bytes <= bytes_);
  bytes_ -= bytes;
  while (bytes != 0) {
    const SharedBytes& first = chunks_.front();
    const ByteView part = ByteView(*first).substr(taken_, bytes);
    batch.keep(first, part);
    taken_ += part.size();
    bytes -= part.size();
    if (taken_ < first->size()) continue;
    chunks_.pop_front();
    taken_ = 0;
  }
}

void SendQueue::clear() {
  chunks_.clear();
  taken_ = bytes_ = 0;
}

}  // namespace mesh::net
