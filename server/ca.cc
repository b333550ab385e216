#include "server/ca.h"

#include <utility>

#include "net/crypto.h"

namespace mesh::server {

// What the worker's thread holds: the signer of the root that signed last.
class Ca::Workshop {
 public:
  explicit Workshop(std::optional<CaKey> key) : key_(std::move(key)) {}

  Result<std::string> sign(const Order& order) {
    MESH_TRY_STATUS(open(order));
    MESH_TRY(leaf, signer_->sign_leaf(leaf_spec(order.plan, order.request)).context("while signing a certificate"));
    return order.with_root ? leaf + order.root.certificate : leaf;
  }

 private:
  Status open(const Order& order) {
    if (signer_ && root_id_ == order.root.id) return {};
    if (!key_) return error(Code::Precondition, "this server has no ca.key");
    MESH_TRY(pem, key_->open(order.sealed_key).context("while opening the key of root {}", order.root.id));
    Result<net::Signer> signer = net::Signer::from_pem(order.root.certificate, pem);
    net::wipe(pem);
    if (!signer.ok()) return std::move(signer).error().context("while reading root {}", order.root.id);
    signer_.emplace(std::move(signer).value());
    root_id_ = order.root.id;
    return {};
  }

  std::optional<CaKey> key_;
  std::optional<net::Signer> signer_;
  std::string root_id_;
};

Ca::Ca(net::LoopRef loop, std::optional<CaKey> key)
    : key_(std::move(key)), workshop_(std::make_unique<Workshop>(key_)), worker_(std::move(loop), "ca") {}

Ca::~Ca() = default;

void Ca::read_csr(Bytes der, Done<net::CsrInfo> done) {
  worker_.run([der = std::move(der)] { return net::read_csr(der); }, std::move(done));
}

void Ca::sign(Order order, Done<std::string> done) {
  worker_.run([this, order = std::move(order)] { return workshop_->sign(order); }, std::move(done));
}

}  // namespace mesh::server
