#include "cli/client.h"

#include <sys/stat.h>

#include "base/time_text.h"
#include "cli/output.h"
#include "net/http1/client.h"
#include "net/loop.h"

namespace mesh::cli {
namespace {

constexpr std::size_t kAnswerBytesMax = 64 * 1024 * 1024;
constexpr JsonLimits kAnswerJson{.size_max = kAnswerBytesMax};

std::string choose_address(const ClientOptions& options) {
  if (!options.address.empty()) return options.address;
  struct stat info{};
  const std::string socket(kDefaultSocket);
  if (stat(socket.c_str(), &info) == 0 && S_ISSOCK(info.st_mode)) return "unix:" + socket;
  return std::string(kDefaultAddress);
}

// Of an answer, for a person: nothing in it steers a terminal.
std::string first_line(std::string_view text) {
  const auto end = text.find_first_of("\r\n");
  return printable(text.substr(0, end));
}

Error refusal(const net::HttpResponse& answer, std::string_view path) {
  std::string text = first_line(answer.body);
  if (text.empty()) text = fmt::format("{} ({})", net::reason_phrase(answer.status), answer.status);
  switch (answer.status) {
    case 400: return error(Code::Invalid, "{}", text);
    case 401:
    case 403: return error(Code::Denied, "{}", text);
    case 404: return error(Code::NotFound, "{}{}", answer.body.empty() ? fmt::format("{}: ", path) : std::string(), text);
    case 429:
    case 503: return error(Code::Unavailable, "{}", text);
    case 504: return error(Code::Timeout, "{}", text);
    default: return error(Code::Internal, "{}", text);
  }
}

// Connection errors say where the agent was looked for and what to try.
Error unreachable(Error cause, const net::Endpoint& agent) {
  const Code code = cause.code;
  return error(code, "no answer from the agent at {}: {}; is meshd running? 'meshctl doctor' says more, --address names another agent",
               agent.to_string(), cause.message);
}

// Where nobody listens the kernel says so at once: what is slow is most often what the agent waits for.
Error slow(const net::Endpoint& agent, Duration timeout) {
  return error(Code::Timeout,
               "no answer within {} by way of the agent at {}: it may wait for the servers; a longer --timeout has it say so, and 'meshctl doctor' "
               "says whether this host reaches them (an agent that hangs or is not there gives no answer either: 'systemctl status meshd')",
               format_duration(timeout), agent.to_string());
}

}  // namespace

Client::Client(net::Endpoint agent, const ClientOptions& options)
    : agent_(std::move(agent)),
      timeout_(options.timeout),
      token_(options.token),
      loop_(std::make_unique<net::Loop>("meshctl")),
      http_(std::make_unique<net::Http1Client>(*loop_)) {}

Client::~Client() = default;

Result<std::unique_ptr<Client>> Client::make(const ClientOptions& options) {
  MESH_TRY(agent, net::Endpoint::parse(choose_address(options)).context("in --address"));
  return std::unique_ptr<Client>(new Client(std::move(agent), options));
}

Result<net::HttpResponse> Client::call(net::HttpMethod method, std::string_view path, Bytes body) {
  net::HttpRequest request{.method = method,
                           .method_text = std::string(net::method_name(method)),
                           .target = std::string(path),
                           .body = std::move(body)};
  request.headers.add("X-Mesh-Timeout", format_duration(timeout_));
  if (!token_.empty()) request.headers.add("X-Consul-Token", token_);
  std::optional<Result<net::HttpResponse>> answer;
  net::HttpCallOptions options{.to = agent_, .deadline = loop_->now() + timeout_, .body_bytes_max = kAnswerBytesMax};
  const auto call = http_->send(std::move(request), std::move(options),
                                [&answer](Result<net::HttpResponse> result) { answer = std::move(result); });
  loop_->run_until([&answer] { return answer.has_value(); }, timeout_ + seconds(1));
  if (!answer) return slow(agent_, timeout_);
  if (!answer->ok() && answer->error().code == Code::Timeout) return slow(agent_, timeout_);
  if (!answer->ok()) return unreachable(std::move(*answer).error(), agent_);
  if (answer->value().status / 100 != 2) return refusal(answer->value(), path);
  return std::move(*answer);
}

Result<JsonValue> Client::get_json(std::string_view path) {
  MESH_TRY(answer, call(net::HttpMethod::Get, path));
  return parse_json(answer.body, kAnswerJson).context("while reading the answer to {}", path);
}

std::string url_escape(std::string_view text, std::string_view keep) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       c == '.' || c == '_' || c == '~' || keep.find(c) != std::string_view::npos;
    if (plain) out += c;
    else out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace mesh::cli
