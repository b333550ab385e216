#include "server/kv_reads.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"

namespace mesh::server {

namespace {

constexpr std::size_t kEntryOverhead = 64;  // at most: the numbers and lengths of an entry

bool is_below(const model::KvReadRequest& request) { return request.recurse || request.keys_only; }

Status check_size(std::size_t bytes, const model::KvReadRequest& request) {
  if (bytes <= net::kRpcMessageBytesMax) return {};
  return error(Code::Invalid, "what is stored below \"{}\" needs {} bytes, an answer holds {}: ask for a longer prefix{}", request.key, bytes,
               net::kRpcMessageBytesMax, request.keys_only ? "" : ", or for the keys alone");
}

}  // namespace

// One parked read.
class KvReads::Waiting {
 public:
  Waiting(KvReads& owner, model::KvReadRequest asked, net::RpcReply to)
      : request(std::move(asked)),
        reply(std::move(to)),
        timer(owner.loop_, [this, &owner] { owner.finish(*this); }) {
    timer.start_after(std::min(request.wait, kWaitMax));
    reply.on_cancelled([this, &owner] { owner.remove(*this); });
  }

  model::KvReadRequest request;
  net::RpcReply reply;
  net::Timer timer;
};

KvReads::KvReads(net::Loop& loop, std::function<const State&()> state, Freshness freshness)
    : loop_(loop), state_(std::move(state)), freshness_(std::move(freshness)) {}

KvReads::~KvReads() = default;

void KvReads::read(model::KvReadRequest request, net::RpcReply reply) {
  const Result<model::KvReadResponse> response = answer(request);
  if (!response.ok()) return reply.finish(response.error());
  const bool blocks =
      request.min_index != 0 && request.wait > Duration::zero() && response->index <= request.min_index;
  if (!blocks) return reply.finish(encode(*response));
  if (waiting_.size() >= kWaitingMax) {
    return reply.finish(error(Code::Overloaded, "more than {} blocking reads", kWaitingMax));
  }
  park(std::move(request), std::move(reply));
}

Result<model::KvReadResponse> KvReads::answer(const model::KvReadRequest& request) const {
  const KvTable& kv = state_().kv();
  model::KvReadResponse response;
  response.index = is_below(request) ? kv.index_below(request.key) : kv.index_of(request.key);
  if (request.keys_only) {
    response.keys = kv.keys(request.key, request.separator);
    std::size_t bytes = 0;
    for (const Bytes& key : response.keys) bytes += key.size() + kEntryOverhead;
    MESH_TRY_STATUS(check_size(bytes, request));
  } else if (request.recurse) {
    const auto found = kv.list(request.key);
    std::size_t bytes = 0;
    for (const model::KvEntry* entry : found) bytes += entry->key.size() + entry->value.size() + entry->session.size() + kEntryOverhead;
    MESH_TRY_STATUS(check_size(bytes, request));
    for (const model::KvEntry* entry : found) response.entries.push_back(*entry);
  } else if (const model::KvEntry* entry = kv.find(request.key)) {
    response.entries.push_back(*entry);
  }
  freshness_(response);
  return response;
}

void KvReads::park(model::KvReadRequest request, net::RpcReply reply) {
  waiting_.push_back(std::make_unique<Waiting>(*this, std::move(request), std::move(reply)));
  Waiting& waiting = *waiting_.back();
  if (is_below(waiting.request)) {
    prefixes_.push_back(&waiting);
  } else {
    by_key_.emplace(waiting.request.key, &waiting);
  }
}

void KvReads::on_changes(const model::ChangeSet& changes) {
  if (waiting_.empty()) return;
  std::vector<Waiting*> woken;
  for (const model::RowChange& row : changes.rows) {
    if (row.table_id != model::kTableKv) continue;
    const auto [first, last] = by_key_.equal_range(row.key);
    for (auto it = first; it != last; ++it) woken.push_back(it->second);
    for (Waiting* waiting : prefixes_) {
      if (row.key.starts_with(waiting->request.key)) woken.push_back(waiting);
    }
  }
  std::sort(woken.begin(), woken.end());
  woken.erase(std::unique(woken.begin(), woken.end()), woken.end());
  // The state machine calls this from inside a step of the host: answers leave after it.
  for (Waiting* waiting : woken) waiting->timer.start_after(Duration::zero());
}

void KvReads::on_loaded() {
  for (auto& waiting : waiting_) waiting->timer.start_after(Duration::zero());
}

void KvReads::finish(Waiting& waiting) {
  const Result<model::KvReadResponse> response = answer(waiting.request);
  waiting.reply.finish(response.ok() ? Result<Bytes>(encode(*response)) : Result<Bytes>(response.error()));
  remove(waiting);
}

void KvReads::remove(Waiting& waiting) {
  prefixes_.remove(&waiting);
  std::erase_if(by_key_, [&](const auto& item) { return item.second == &waiting; });
  for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
    if (it->get() != &waiting) continue;
    loop_.destroy_later(std::move(*it));
    waiting_.erase(it);
    return;
  }
}

}  // namespace mesh::server
