// What TLS costs: CPU of a mutual handshake, records per second with each AES-GCM code, memory of an idle stream.
#include <fcntl.h>
#include <malloc.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <memory>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "net/crypto.h"
#include "net/gcm.h"
#include "net/loop.h"
#include "net/tls/record.h"
#include "net/tls/session.h"
#include "net/tls/tls_stream.h"

namespace {

using namespace mesh;
using namespace mesh::net;

double cpu_seconds() {
  rusage used{};
  getrusage(RUSAGE_THREAD, &used);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec); };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

struct Fixture {
  Fixture() {
    const Validity validity{wall_now() - hours(1), wall_now() + hours(24)};
    root = *Signer::make_root({.common_name = "bench", .trust_domain = "bench", .validity = validity});
    const Signer signer = std::move(Signer::from_pem(root.certificate_pem, root.key_pem)).value();
    const Bytes key = make_key_pem();
    const Bytes leaf = *signer.sign_leaf({.public_key = read_csr(*make_csr(key))->public_key,
                                          .uri = "spiffe://bench/ns/default/dc/dc1/svc/web",
                                          .dns_names = {"web.bench"},
                                          .serial = "\x01",
                                          .validity = validity});
    identity = *TlsIdentity::from_pem(leaf, key);
    trust = *TrustBundle::from_pem({root.certificate_pem});
  }
  Signer::Root root;
  std::shared_ptr<const TlsIdentity> identity;
  std::shared_ptr<const TrustBundle> trust;
};

void handshakes(const Fixture& fixture, int count) {
  double client_time = 0;
  double server_time = 0;
  for (int n = 0; n < count; ++n) {
    TlsClientOptions for_client{.identity = fixture.identity, .trust = fixture.trust, .server_name = "web.bench"};
    TlsServerOptions for_server;
    for_server.select = [&](std::string_view) { return fixture.identity; };
    for_server.trust = fixture.trust;
    HandshakeSession client(std::move(for_client));
    HandshakeSession server(std::move(for_server));
    Bytes to_server;
    Bytes to_client;
    for (bool done = false; !done;) {
      double start = cpu_seconds();
      done = client.step(std::exchange(to_client, {}), to_server) == HandshakeSession::Progress::Done;
      client_time += cpu_seconds() - start;
      if (done) break;
      start = cpu_seconds();
      const auto progress = server.step(std::exchange(to_server, {}), to_client);
      server_time += cpu_seconds() - start;
      CHECK(progress != HandshakeSession::Progress::Failed);
    }
  }
  fmt::print("mutual handshake: client {:.0f} us, server {:.0f} us of CPU\n", client_time * 1e6 / count,
             server_time * 1e6 / count);
}

void seal_speed(GcmCode code, const char* name, std::size_t size) {
  const auto key = make_gcm_key(Bytes(16, 'k'), code);
  if (key == nullptr) return;
  const Bytes plain(size, 'x');
  Bytes out(size + kGcmTagBytes, '\0');
  const std::size_t rounds = (256u << 20) / size / (code == GcmCode::Nettle ? 4 : 1);
  const double start = cpu_seconds();
  for (std::size_t n = 0; n < rounds; ++n) key->seal({"twelve bytes", "additional"}, plain, out.data(), out.data() + size);
  fmt::print("AES-128-GCM seal, {}, {} B: {:.0f} MB/s\n", name, size,
             static_cast<double>(rounds * size) / (cpu_seconds() - start) * 1e-6);
}

void record_speed(std::size_t size) {
  const TrafficKey key{Bytes(kTrafficKeyBytes, 'k'), Bytes(kTrafficSaltBytes, 's'), 1};
  RecordWriter writer(key);
  RecordReader reader(key);
  const Bytes plain(size, 'x');
  Bytes wire(kRecordBytesMax, '\0');
  Bytes out(kRecordPlainBytesMax, '\0');
  const std::size_t rounds = (256u << 20) / size;
  const double start = cpu_seconds();
  for (std::size_t n = 0; n < rounds; ++n) {
    const std::size_t whole = writer.write(RecordType::Data, plain, wire.data());
    CHECK(reader.next(ByteView(wire).substr(0, whole), out.data()).plain == size);
  }
  fmt::print("records, written and read, {} B: {:.0f} MB/s\n", size,
             static_cast<double>(rounds * size) / (cpu_seconds() - start) * 1e-6);
}

void idle_memory(const Fixture& fixture, std::size_t count) {
  Loop loop("bench");
  std::vector<std::unique_ptr<Stream>> sockets;
  for (std::size_t n = 0; n < count; ++n) {
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    for (const int end : ends) sockets.push_back(std::move(Stream::adopt(loop, end)).value());
  }
  const std::size_t before = mallinfo2().uordblks;
  std::vector<std::unique_ptr<TlsStream>> streams;
  streams.reserve(sockets.size());
  for (auto& socket : sockets) {
    TlsSession session;
    session.write = session.read = {Bytes(kTrafficKeyBytes, 'k'), Bytes(kTrafficSaltBytes, 's'), 1};
    session.peer = fixture.identity->leaf();
    session.alpn = "mesh-tcp/1";
    session.server_name = "web.bench";
    streams.push_back(std::make_unique<TlsStream>(std::move(socket), std::move(session), Bytes()));
  }
  const std::size_t after = mallinfo2().uordblks;
  fmt::print("idle TlsStream: {} B of heap over its socket's\n", (after - before) / streams.size());
}

}  // namespace

int main() {
  const Fixture fixture;
  handshakes(fixture, 50);
  for (const std::size_t size : {std::size_t{256}, std::size_t{1024}, std::size_t{16'384}}) {
    seal_speed(GcmCode::IpsecMb, "libipsec-mb", size);
    seal_speed(GcmCode::Nettle, "nettle", size);
    record_speed(size);
  }
  idle_memory(fixture, 200);
  return 0;
}
