// Inside of session.h: what session.cc and callbacks.cc pass to nghttp2. For the .cc files of this folder.
#pragma once

#include <nghttp2/nghttp2.h>

#include <vector>

#include "net/http2/session.h"

namespace mesh::net {

// Borrows the texts; nghttp2 copies them.
[[nodiscard]] inline std::vector<nghttp2_nv> to_nv(Http2HeaderList list) {
  std::vector<nghttp2_nv> values;
  values.reserve(list.size());
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));
  };
  for (const auto& [name, value] : list)
    values.push_back(nghttp2_nv{bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  return values;
}

// Takes the body from the stream's queue.
[[nodiscard]] nghttp2_data_provider body_provider();

}  // namespace mesh::net
