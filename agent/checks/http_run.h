// A HTTP check: one request, redirects followed unless the definition says otherwise. The status of the last answer
// decides: 2xx passing, 429 warning, anything else critical, as is no answer by the deadline.
//
// Redirects (RFC 9110 section 15.4): 301, 302 and 303 go on with GET (HEAD stays HEAD) and no body, 307 and 308 repeat
// the request. The definition's headers go to the host and port of its own URL only: a redirect cannot collect them.
//
// Limits: kCheckRedirectsMax; of a body kCheckOutputMax bytes are kept, the rest is read and dropped.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/checks/reach.h"
#include "agent/checks/run.h"
#include "net/http1/client.h"
#include "net/timer.h"
#include "net/url.h"

namespace mesh::agent {

inline constexpr int kCheckRedirectsMax = 10;

class HttpRun final : public CheckRun {
 public:
  // The client must outlive the run. REQUIRES a real deadline.
  HttpRun(net::Loop& loop, net::Http1Client& client, const model::CheckDefinition& definition, MonoTime deadline,
          OnDone on_done);

 private:
  void visit(net::HttpUrl url);
  void send(Result<net::Endpoint> reached);
  [[nodiscard]] net::HttpRequest request() const;
  [[nodiscard]] std::string host() const;
  [[nodiscard]] bool at_own_host() const;
  void keep(ByteView piece);
  void answered(Result<net::HttpResponse> response);
  void redirected(int status, std::string_view location);
  void fail(const Error& why);
  void finish(model::CheckStatus status, std::string_view what);

  net::Loop& loop_;
  net::Http1Client& client_;
  const model::CheckDefinition definition_;
  const MonoTime deadline_;
  OnDone on_done_;
  std::string method_;
  std::string body_;    // to be sent
  std::string output_;  // the start of the answer's body
  net::HttpUrl own_;    // the definition's URL
  net::HttpUrl url_;    // the one in hand
  int redirects_ = 0;
  std::optional<Error> fault_;  // of the first URL, reported by the timer
  net::Timer fault_timer_;
  std::unique_ptr<Reach> reach_;
  std::unique_ptr<net::HttpCall> call_;
};

}  // namespace mesh::agent
