// A peer's side of a TLS handshake. The first byte chooses who is attacked (bit 0: our client, else our server) and how many
// bytes come at a time. No input can finish a handshake, since none holds a key or can foresee our random bytes.
#include <cstdint>

#include "base/check.h"
#include "base/clock.h"
#include "net/crypto.h"
#include "net/tls/session.h"

namespace {

using namespace mesh;
using namespace mesh::net;

struct Fixture {
  std::shared_ptr<const TlsIdentity> identity;
  std::shared_ptr<const TrustBundle> trust;
};

Fixture make_fixture() {
  const Validity validity{wall_now() - hours(1), wall_now() + hours(24 * 30)};
  const auto root = *Signer::make_root({.common_name = "fuzz", .trust_domain = "fuzz", .validity = validity});
  const Signer signer = std::move(Signer::from_pem(root.certificate_pem, root.key_pem)).value();
  const Bytes key = make_key_pem();
  const Bytes leaf = *signer.sign_leaf({.public_key = read_csr(*make_csr(key))->public_key,
                                        .uri = "spiffe://fuzz/a",
                                        .dns_names = {"a.fuzz"},
                                        .serial = "\x01",
                                        .validity = validity});
  return {*TlsIdentity::from_pem(leaf, key), *TrustBundle::from_pem({root.certificate_pem})};
}

void attack(HandshakeSession& session, ByteView input, std::size_t piece) {
  Bytes out;
  auto progress = session.step({}, out);
  while (progress == HandshakeSession::Progress::NeedsBytes && !input.empty()) {
    progress = session.step(input.substr(0, piece), out);
    input.remove_prefix(std::min(piece, input.size()));
    CHECK(out.size() < kHandshakeBytesMax);
  }
  CHECK(progress != HandshakeSession::Progress::Done);
  if (progress == HandshakeSession::Progress::Failed) CHECK(!session.failure().message.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Fixture fixture = make_fixture();
  if (size == 0 || size > kHandshakeBytesMax) return 0;
  const ByteView input = ByteView(reinterpret_cast<const char*>(data), size).substr(1);
  const std::size_t piece = (data[0] & 2) != 0 ? 1 + (data[0] >> 2) : kHandshakeBytesMax;
  if ((data[0] & 1) != 0) {
    TlsClientOptions options;
    options.identity = fixture.identity;
    options.trust = fixture.trust;
    options.server_name = "a.fuzz";
    options.alpn = {"h2"};
    HandshakeSession session(std::move(options));
    attack(session, input, piece);
  } else {
    TlsServerOptions options;
    options.select = [](std::string_view) { return fixture.identity; };
    options.trust = fixture.trust;
    options.alpn = {"h2"};
    HandshakeSession session(std::move(options));
    attack(session, input, piece);
  }
  return 0;
}
