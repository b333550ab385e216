// One server-side HTTP/1.1 connection. For server.cc and connection.cc only; lives on the server's loop.
//
// States: Waiting (no byte of a request yet) -> Head -> Body -> Answering (the exchange is with the handler) -> Waiting,
// and from anywhere Lingering (the last answer is sent; input is thrown away until the peer has closed, so that a reset
// does not destroy that answer) -> Gone. With a streamed body the handler has the exchange during Body already.
#pragma once

#include <list>

#include "net/http1/parser.h"
#include "net/http1/server.h"
#include "net/http1/writer.h"
#include "net/timer.h"

namespace mesh::net {

class Http1Connection final : private StreamObserver {
 public:
  Http1Connection(Http1Server& server, std::unique_ptr<Stream> stream);
  ~Http1Connection() override;

  void start();
  // Graceful stop: close now if nothing is in progress, else after the answer in progress.
  void finish_and_close();
  // Destroys the stream and tells the exchange's owner. The connection is to be destroyed after that.
  void cut();

  std::list<std::unique_ptr<Http1Connection>>::iterator position;  // in the server's list

 private:
  friend class HttpExchange;
  enum class State { Waiting, Head, Body, Answering, Lingering, Gone };

  void on_data(ByteView data) override;
  void on_end() override;
  void on_writable() override;
  void on_write_closed() override;
  void on_failed(const Error& error) override;

  // Reading.
  void process(ByteView input);
  bool step(ByteView& input);
  void process_backlog();
  void process_backlog_later();
  [[nodiscard]] bool may_read_request() const;
  void enter(State state);
  void timed_out();
  void head_arrived(bool more_input);
  void body_arrived();
  void request_complete();
  void call_handler();
  void tell_closed();
  void closed_is_watched();

  // Writing, for HttpExchange.
  void reply(HttpResponse response);
  void start_answer(HttpResponse response, std::optional<std::uint64_t> length);
  bool write_piece(ByteView piece);
  void end_answer();
  void abandoned();
  void set_body_paused(bool paused);
  void send_head(const HttpResponse& response, Http1Framing framing);
  [[nodiscard]] bool sends_body(int status) const;
  void answer_complete();

  void refuse(int status, std::string_view reason);
  void linger();
  void remove();

  Http1Server& server_;
  Loop& loop_;
  std::unique_ptr<Stream> stream_;
  HttpPeer peer_;
  Http1RequestParser parser_;
  Timer timer_;
  std::shared_ptr<Http1Connection*> self_;  // null inside once the connection is gone
  HttpRequest request_;                     // while its body is collected
  HttpHandler::BodyPlan plan_;
  HttpExchange* exchange_ = nullptr;  // owned by the handler
  Bytes backlog_;                     // input that waits for the answer in progress
  MonoTime body_deadline_ = kNever;
  std::uint64_t body_bytes_ = 0;
  std::optional<std::uint64_t> answer_left_;  // of a declared length
  State state_ = State::Waiting;
  bool request_arrived_ = false;  // to its last byte
  bool handler_called_ = false;
  bool head_request_ = false;
  bool http10_ = false;
  bool keep_alive_ = true;
  bool answer_started_ = false;
  bool answer_body_ = false;
  bool answer_chunked_ = false;
  bool body_paused_ = false;
  bool peer_ended_ = false;
  bool processing_ = false;
};

}  // namespace mesh::net
