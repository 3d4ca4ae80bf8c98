#pragma once
// One connection: reads requests, has them answered, writes the answers, one at a time.

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <optional>
#include <string>

#include "server/message.h"
#include "server/router.h"
#include "server/session_loop.h"

namespace nestor::server {

// Lives on its loop's thread; only the handler of a request may run on a worker meanwhile.
class Session : public std::enable_shared_from_this<Session> {
 public:
  // health_only: the server is full, whatever is no health check gets 503.
  Session(LoopSocket socket, SessionLoop& loop, bool health_only);

  void start();
  void sweep(TimePoint now);  // acts on a deadline that has passed
  void drain();               // the request in flight is the last one
  void cut();

 private:
  enum class State { idle, receiving, working, sending, lingering, closed };
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Code = boost::system::error_code;

  void next_request();
  void read();
  void on_read(Code error, std::size_t bytes);
  void parse();
  bool wants_continue();
  void send_continue();
  void dispatch();
  void work(WorkerPool& pool);
  void refuse(int status, const std::string& message);
  void refuse_overload(const std::string& message);
  void refuse_malformed(const Code& error);
  void send(Response response);
  void write_head(const Response& response);
  void on_sent(Code error);
  void linger();
  void close();
  void set_state(State state, std::chrono::milliseconds timeout);

  LoopSocket socket_;
  SessionLoop& loop_;
  const ConnectionLimits& limits_;
  const bool health_only_;

  State state_ = State::idle;
  TimePoint deadline_ = TimePoint::max();
  bool timed_out_ = false;      // while receiving; the cancelled read answers 408
  bool continue_sent_ = false;
  bool close_after_ = false;
  bool unread_ = false;         // the request was refused before all of it was read
  bool head_only_ = false;      // HEAD

  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::string spare_body_;      // memory of the last request's body, used again
  Request request_;
  RouteMatch match_;
  Response response_;
  std::string head_;
};

}  // namespace nestor::server
