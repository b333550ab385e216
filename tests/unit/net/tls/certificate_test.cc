#include "net/tls/certificate.h"

#include "base/time_text.h"
#include "tests/unit/net/tls/openssl_process.h"
#include "tests/unit/net/tls/tls_fixture.h"

namespace mesh::net {

namespace {

WallTime at(const char* text) { return *parse_time(text); }

}  // namespace

TEST_CASE("a leaf says who it is for, and its key's name is that of the request") {
  Authority authority;
  const Bytes key = make_key_pem();
  const Validity validity{at("2030-01-01T00:00:00Z"), at("2030-01-08T12:34:56Z")};
  const Bytes pem = authority.sign(key, kServerUri, {"web.dc1.test.mesh", "web.mesh"}, validity);
  auto read = read_certificates(pem + authority.root.certificate_pem);
  REQUIRE(read.ok());
  REQUIRE(read->size() == 2);
  const CertificateInfo& leaf = read->at(0);
  EXPECT_EQ(leaf.uris, std::vector<std::string>{kServerUri});
  EXPECT_EQ(leaf.dns_names, (std::vector<std::string>{"web.dc1.test.mesh", "web.mesh"}));
  EXPECT_EQ(leaf.serial, "1020304");
  EXPECT(leaf.not_before == validity.not_before);
  EXPECT(leaf.not_after == validity.not_after);
  EXPECT_EQ(leaf.key_hash, *key_hash_of(key));
  EXPECT_FALSE(leaf.authority);
  EXPECT_EQ(leaf.issuer, read->at(1).subject);
  const CertificateInfo& root = read->at(1);
  EXPECT(root.authority);
  EXPECT_EQ(root.uris, std::vector<std::string>{"spiffe://test.mesh"});
  EXPECT_EQ(root.key_hash, *key_hash_of(authority.root.key_pem));
  EXPECT_EQ(root, authority.signer->root());
  EXPECT_EQ(root.subject, "CN=test root " + to_hex(root.key_hash).substr(0, 8));
}

TEST_CASE("a chain is good for its time and its roots only") {
  Authority authority;
  Authority other("other root");
  const Validity week{wall_now(), wall_now() + hours(20)};
  const Bytes pem = authority.sign(make_key_pem(), kServerUri, {}, week);
  EXPECT(authority.trust->verify(pem, week.not_before + seconds(1)).ok());
  auto late = authority.trust->verify(pem, week.not_after + seconds(2));
  REQUIRE_FALSE(late.ok());
  EXPECT_EQ(late.error().code, Code::Unauthenticated);
  EXPECT_NE(late.error().message.find("has expired"), std::string::npos);
  auto early = authority.trust->verify(pem, week.not_before - minutes(10));
  REQUIRE_FALSE(early.ok());
  EXPECT_NE(early.error().message.find("not valid yet"), std::string::npos);
  auto foreign = other.trust->verify(pem, week.not_before + seconds(1));
  REQUIRE_FALSE(foreign.ok());
  EXPECT_NE(foreign.error().message.find("issuer is not trusted"), std::string::npos);
  // While a root is replaced, both are trusted.
  auto both = TrustBundle::from_pem({other.root.certificate_pem, authority.root.certificate_pem});
  REQUIRE(both.ok());
  EXPECT_EQ((*both)->roots().size(), 2u);
  EXPECT((*both)->verify(pem, week.not_before + seconds(1)).ok());
  // A leaf signs nothing.
  const Bytes key = make_key_pem();
  const Bytes leaf = authority.sign(key, kServerUri, {}, valid_now());
  EXPECT_EQ(Signer::from_pem(leaf, key).error().code, Code::Precondition);
  EXPECT_EQ(TrustBundle::from_pem({leaf}).error().code, Code::Precondition);
}

TEST_CASE("keys that do not belong to a certificate are refused") {
  Authority authority;
  const Bytes key = make_key_pem();
  const Bytes leaf = authority.sign(key, kServerUri, {}, valid_now());
  EXPECT(TlsIdentity::from_pem(leaf, key).ok());
  EXPECT_EQ(TlsIdentity::from_pem(leaf, make_key_pem()).error().code, Code::Precondition);
  EXPECT_EQ(TlsIdentity::from_pem("nothing", key).error().code, Code::Invalid);
  EXPECT_EQ(TlsIdentity::from_pem(leaf, "nothing").error().code, Code::Invalid);
  EXPECT_EQ(Signer::from_pem(authority.root.certificate_pem, key).error().code, Code::Precondition);
  EXPECT_EQ(TrustBundle::from_pem({}).error().code, Code::Invalid);
}

TEST_CASE("a request is bound to its key") {
  const Bytes key = make_key_pem();
  auto csr = make_csr(key);
  REQUIRE(csr.ok());
  auto read = read_csr(*csr);
  REQUIRE(read.ok());
  EXPECT_EQ(read->key_hash, *key_hash_of(key));
  EXPECT_EQ(sha256(read->public_key), read->key_hash);
  for (const std::size_t place : {csr->size() - 1, csr->size() / 2, csr->size() / 3}) {
    Bytes changed = *csr;
    changed[place] = static_cast<char>(changed[place] ^ 1);
    EXPECT_FALSE(read_csr(changed).ok());
  }
  for (std::size_t size = 0; size < csr->size(); size += 7) EXPECT_FALSE(read_csr(ByteView(*csr).substr(0, size)).ok());
  EXPECT_FALSE(read_csr(*csr + "x").ok());
  EXPECT_EQ(read_csr(Bytes(5000, '0')).error().code, Code::Invalid);
}

TEST_CASE("what cannot be in a certificate is not signed") {
  Authority authority;
  const Bytes public_key = read_csr(*make_csr(make_key_pem()))->public_key;
  LeafSpec good{.public_key = public_key, .uri = "spiffe://x/y", .dns_names = {}, .serial = "\x01", .validity = valid_now()};
  EXPECT(authority.signer->sign_leaf(good).ok());
  const auto refused = [&](auto change) {
    LeafSpec spec = good;
    change(spec);
    auto result = authority.signer->sign_leaf(spec);
    return !result.ok() && result.error().code == Code::Invalid;
  };
  EXPECT(refused([](LeafSpec& spec) { spec.uri.clear(); }));
  EXPECT(refused([](LeafSpec& spec) { spec.uri = "spiffe://x/y z"; }));
  EXPECT(refused([](LeafSpec& spec) { spec.uri = std::string("spiffe://x/\0y", 13); }));
  EXPECT(refused([](LeafSpec& spec) { spec.uri = std::string(3000, 'x'); }));
  EXPECT(refused([](LeafSpec& spec) { spec.dns_names = {""}; }));
  EXPECT(refused([](LeafSpec& spec) { spec.dns_names.assign(64, "a.b"); }));
  EXPECT(refused([](LeafSpec& spec) { spec.serial.clear(); }));
  EXPECT(refused([](LeafSpec& spec) { spec.serial = Bytes(1, '\0'); }));
  EXPECT(refused([](LeafSpec& spec) { spec.serial = "\x80"; }));
  EXPECT(refused([](LeafSpec& spec) { spec.serial = Bytes(21, '\x01'); }));
  EXPECT(refused([](LeafSpec& spec) { std::swap(spec.validity.not_before, spec.validity.not_after); }));
  EXPECT(refused([](LeafSpec& spec) { spec.validity.not_before = WallTime{}; }));
  EXPECT(refused([](LeafSpec& spec) { spec.public_key.pop_back(); }));
  for (const char* name : {"", "a,O=b", "a+b", "name\n"})
    EXPECT_FALSE(Signer::make_root({.common_name = name, .trust_domain = "x", .validity = valid_now()}).ok());
}

TEST_CASE("what is no certificate is refused, whole or cut") {
  Authority authority;
  EXPECT_FALSE(read_certificates("").ok());
  EXPECT_FALSE(read_certificates("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n").ok());
  EXPECT_FALSE(read_certificate("").ok());
  EXPECT_FALSE(read_certificates(Bytes(kCertificatePemBytesMax + 1, 'x')).ok());
  Bytes many;
  for (std::size_t n = 0; n <= kCertificateChainMax; ++n) many += authority.root.certificate_pem;
  EXPECT_EQ(read_certificates(many).error().code, Code::Invalid);
}

TEST_CASE("openssl reads our certificates and finds them good") {
  Loop loop("test");
  Authority authority;
  OpensslFiles files;
  const Bytes key = make_key_pem();
  const std::string leaf = files.put("leaf.pem", authority.sign(key, kServerUri, {kServerName}, valid_now()));
  const std::string root = files.put("root.pem", authority.root.certificate_pem);
  const std::string csr = files.put("csr.der", *make_csr(key));
  {
    OpensslProcess verify(loop, {"verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", kServerName, "-CAfile",
                                 root, leaf});
    const int status = verify.finish(loop);
    CAPTURE(verify.at.received);
    EXPECT_EQ(status, 0);
  }
  {
    OpensslProcess client(loop, {"verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", root, leaf});
    const int status = client.finish(loop);
    CAPTURE(client.at.received);
    EXPECT_EQ(status, 0);
  }
  OpensslProcess text(loop, {"x509", "-in", leaf, "-noout", "-text"});
  EXPECT_EQ(text.finish(loop), 0);
  CAPTURE(text.at.received);
  EXPECT(text.said(fmt::format("URI:{}", kServerUri)));
  EXPECT(text.said(fmt::format("DNS:{}", kServerName)));
  EXPECT(text.said("X509v3 Subject Alternative Name: critical"));
  EXPECT(text.said("TLS Web Server Authentication, TLS Web Client Authentication"));
  EXPECT(text.said("X509v3 Authority Key Identifier"));
  EXPECT(text.said("X509v3 Subject Key Identifier"));
  EXPECT(text.said("X509v3 Key Usage: critical\n                Digital Signature\n"));
  EXPECT(text.said("ecdsa-with-SHA256"));
  OpensslProcess request(loop, {"req", "-inform", "DER", "-in", csr, "-noout", "-verify"});
  EXPECT_EQ(request.finish(loop), 0);
}

TEST_CASE("we read the certificates of an authority that openssl made") {
  Loop loop("test");
  OpensslFiles files;
  const std::string key_path = files.dir.path() + "/root.key";
  const std::string path = files.dir.path() + "/root.pem";
  OpensslProcess made(loop, {"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                             key_path, "-out", path, "-subj", "/C=DE/O=Example, Inc./OU=Unit/CN=own root", "-days", "2",
                             "-addext", "keyUsage=critical,keyCertSign"});
  const int status = made.finish(loop);
  CAPTURE(made.at.received);
  REQUIRE(status == 0);
  const Bytes root = *read_file(path, ByteCount(kCertificatePemBytesMax));
  const Bytes root_key = *read_file(key_path, ByteCount(kCertificatePemBytesMax));
  auto signer = Signer::from_pem(root, root_key);
  REQUIRE(signer.ok());
  auto leaf = signer->sign_leaf({.public_key = read_csr(*make_csr(make_key_pem()))->public_key,
                                 .uri = kServerUri,
                                 .dns_names = {},
                                 .serial = "\x05",
                                 .validity = {wall_now(), wall_now() + hours(1)}});
  REQUIRE(leaf.ok());
  auto trust = TrustBundle::from_pem({root});
  REQUIRE(trust.ok());
  EXPECT((*trust)->verify(*leaf, wall_now() + seconds(5)).ok());
  // The issuer's name stands in the leaf as in the root, part by part.
  OpensslProcess verify(loop, {"verify", "-CAfile", path, files.put("leaf.pem", *leaf)});
  EXPECT_EQ(verify.finish(loop), 0);
}

}  // namespace mesh::net
