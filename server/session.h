#pragma once
// One connection: reads requests, has them answered, writes the answers, one at a time.

#include <memory>
#include <string>

#include "server/connection.h"
#include "server/message.h"
#include "server/request_reader.h"
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

  // Between two requests since when, and whether it ever sent one: the first to go when room is needed.
  bool is_idle() const { return state_ == State::idle || state_ == State::handshake; }
  // One beyond the limit that has not asked for anything yet.
  bool is_spare() const { return health_only_ && (is_idle() || state_ == State::receiving); }
  bool was_used() const { return requests_ > 0; }
  TimePoint since() const { return since_; }

 private:
  enum class State { handshake, idle, receiving, working, sending, lingering, closed };
  using Code = boost::system::error_code;

  void next_request();
  void read();
  void on_readable(Code error);
  void on_read(Code error, std::size_t bytes);
  void advance();
  void take_head();
  void leave_body();
  void choose_id();
  void send_continue();
  void store_upload();
  void dispatch();
  void work(WorkerPool& pool);
  void answer_late();
  void refuse(int status, const std::string& message);
  void refuse_plain_http();
  void refuse_overload(const std::string& message);
  void send(Response response);
  void write_head(const Response& response);
  void write_plain(std::string_view body);
  void on_sent(Code error);
  void report();
  void finish();
  void linger();
  void close();
  void set_state(State state, std::chrono::milliseconds timeout);
  std::chrono::milliseconds answer_timeout() const;

  Connection connection_;
  SessionLoop& loop_;
  const ConnectionLimits& limits_;
  const bool health_only_;

  State state_ = State::idle;
  TimePoint since_;  // of the state
  TimePoint deadline_ = TimePoint::max();
  TimePoint received_;  // first byte of the request
  std::uint64_t requests_ = 0;
  bool timed_out_ = false;  // while receiving; the cancelled read answers 408
  bool continue_sent_ = false;
  bool close_after_ = false;
  bool unread_ = false;     // the request was refused before all of it was read
  bool head_only_ = false;  // HEAD

  RequestReader reader_;
  Request request_;
  std::string id_;
  RouteMatch match_;
  std::shared_ptr<UploadedPart> upload_;
  Response response_;
  std::string head_;
  std::string peer_;
};

}  // namespace nestor::server
