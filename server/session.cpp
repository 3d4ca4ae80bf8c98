#include "server/session.h"

#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <cstdio>
#include <ctime>

#include "server/protocol.h"

namespace nestor::server {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using namespace std::chrono_literals;

// Reserved up front: with an empty buffer Beast reads 512 bytes at a time.
constexpr std::size_t kBufferBytes = 64 << 10;
constexpr std::size_t kSpareBytes = 1 << 20;  // a larger body's memory is given back
constexpr std::chrono::milliseconds kLingerTimeout = 1s;
constexpr std::chrono::milliseconds kHealthTimeout = 2s;

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

// RFC 9110 wants a date in every answer; formatted once a second per thread.
const std::string& http_date() {
  thread_local std::time_t last = 0;
  thread_local std::string text;
  const std::time_t now = std::time(nullptr);
  if (now == last) return text;
  std::tm parts{};
  gmtime_r(&now, &parts);
  char line[64];
  // Not strftime's %a and %b: those follow the locale.
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::snprintf(line, sizeof line, "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[parts.tm_wday], parts.tm_mday,
                kMonths[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min, parts.tm_sec);
  last = now;
  return text = line;
}

}  // namespace

Session::Session(LoopSocket socket, SessionLoop& loop, bool health_only)
    : socket_(std::move(socket)),
      loop_(loop),
      limits_(loop.workshop().limits),
      health_only_(health_only),
      close_after_(health_only) {
  buffer_.reserve(kBufferBytes);
}

void Session::start() {
  loop_.enter(this);
  Code ignored;
  socket_.set_option(asio::ip::tcp::no_delay(true), ignored);
  next_request();
}

void Session::set_state(State state, std::chrono::milliseconds timeout) {
  state_ = state;
  deadline_ = std::chrono::steady_clock::now() + timeout;
}

void Session::next_request() {
  if (parser_) {
    spare_body_ = std::move(parser_->get().body());
    if (spare_body_.capacity() > kSpareBytes) spare_body_ = {};
    spare_body_.clear();
  }
  response_ = {};
  parser_.emplace(std::piecewise_construct, std::make_tuple(std::move(spare_body_)));
  parser_->eager(true);
  parser_->header_limit(static_cast<std::uint32_t>(limits_.header_bytes));
  parser_->body_limit(limits_.body_bytes);
  continue_sent_ = false;
  set_state(State::idle, health_only_ ? std::min(kHealthTimeout, limits_.idle_timeout) : limits_.idle_timeout);
  if (buffer_.size() == 0) return read();
  set_state(State::receiving, limits_.receive_timeout);  // a pipelined request is there already
  parse();
}

void Session::read() {
  const std::size_t room = kBufferBytes - buffer_.size();
  if (room == 0) return refuse(400, "Bad request: a part of the request between two line ends is too long");
  socket_.async_read_some(buffer_.prepare(room),
                          [self = shared_from_this()](Code error, std::size_t bytes) { self->on_read(error, bytes); });
}

void Session::on_read(Code error, std::size_t bytes) {
  if (state_ == State::closed) return;
  if (timed_out_)
    return refuse(408, "Timeout: the request was not received within " +
                           std::to_string(limits_.receive_timeout.count()) + " ms");
  if (error) return close();
  buffer_.commit(bytes);
  if (state_ == State::idle)
    set_state(State::receiving, health_only_ ? std::min(kHealthTimeout, limits_.receive_timeout)
                                             : limits_.receive_timeout);
  parse();
}

void Session::parse() {
  while (buffer_.size() > 0 && !parser_->is_done()) {
    Code error;
    const std::size_t used = parser_->put(buffer_.data(), error);
    buffer_.consume(used);
    if (error == http::error::need_more) break;
    if (error) return refuse_malformed(error);
  }
  if (parser_->is_done()) return dispatch();
  if (wants_continue()) return send_continue();
  read();
}

bool Session::wants_continue() {
  return !continue_sent_ && parser_->is_header_done() && parser_->get().version() >= 11 &&
         boost::beast::iequals(parser_->get()[http::field::expect], "100-continue");
}

void Session::send_continue() {
  continue_sent_ = true;
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(socket_, asio::buffer(kContinue),
                    [self = shared_from_this()](Code error, std::size_t) {
                      if (error || self->timed_out_) return self->on_read(error, 0);
                      if (self->state_ != State::closed) self->read();
                    });
}

void Session::dispatch() {
  state_ = State::working;
  deadline_ = TimePoint::max();
  const auto& message = parser_->get();
  if (!parser_->keep_alive()) close_after_ = true;
  request_.method = view(message.method_string());
  request_.target = view(message.target());
  request_.body = message.body();
  request_.headers.clear();
  for (const auto& header : message) request_.headers.emplace_back(view(header.name_string()), view(header.value()));
  head_only_ = request_.method == "HEAD";

  Workshop& workshop = loop_.workshop();
  match_ = workshop.api.match(request_.method, request_.target);
  switch (match_.lane()) {
    case Lane::inline_: return send(workshop.api.run(match_, request_));
    case Lane::read: return work(workshop.readers);
    case Lane::write: return work(workshop.writers);
  }
}

void Session::work(WorkerPool& pool) {
  if (health_only_) return refuse_overload("Service unavailable: too many connections");
  const bool accepted = pool.submit([self = shared_from_this()] {
    self->response_ = self->loop_.workshop().api.run(self->match_, self->request_);
    asio::post(self->loop_.context(), [self] {
      if (self->state_ != State::closed) self->send(std::move(self->response_));
    });
  });
  if (!accepted) refuse_overload("Service unavailable: too many requests are waiting");
}

void Session::refuse_overload(const std::string& message) {
  send(error_response(HttpError(503, message).with_header("Retry-After", "1"), 0));
}

void Session::refuse(int status, const std::string& message) {
  timed_out_ = false;
  close_after_ = true;
  unread_ = true;
  head_only_ = false;
  send(error_response(HttpError(status, message), 0));
}

void Session::refuse_malformed(const Code& error) {
  if (error == http::error::body_limit)
    return refuse(413, "Bad request: the body is larger than " + std::to_string(limits_.body_bytes) + " bytes");
  if (error == http::error::header_limit)
    return refuse(431, "Bad request: the headers are larger than " + std::to_string(limits_.header_bytes) + " bytes");
  refuse(400, "Bad request: malformed HTTP request: " + error.message());
}

void Session::write_head(const Response& response) {
  head_.clear();
  head_ += "HTTP/1.1 ";
  head_ += std::to_string(response.status);
  head_ += ' ';
  head_ += reason_phrase(response.status);
  head_ += "\r\nContent-Type: ";
  head_ += response.content_type;
  head_ += "\r\nContent-Length: ";
  head_ += std::to_string(response.body.size());
  head_ += "\r\nDate: ";
  head_ += http_date();
  for (const auto& [name, value] : response.headers) {
    head_ += "\r\n";
    head_ += name;
    head_ += ": ";
    head_ += value;
  }
  if (close_after_)
    head_ += "\r\nConnection: close";
  else if (parser_->get().version() < 11)
    head_ += "\r\nConnection: keep-alive";
  head_ += "\r\n\r\n";
}

void Session::send(Response response) {
  if (loop_.draining()) close_after_ = true;
  response_ = std::move(response);
  write_head(response_);
  set_state(State::sending, limits_.send_timeout);
  const std::string_view body = head_only_ ? std::string_view{} : std::string_view(response_.body);
  const std::array<asio::const_buffer, 2> parts{asio::buffer(head_), asio::const_buffer(body.data(), body.size())};
  asio::async_write(socket_, parts, [self = shared_from_this()](Code error, std::size_t) { self->on_sent(error); });
}

void Session::on_sent(Code error) {
  if (state_ == State::closed) return;
  if (error) return close();
  if (!close_after_ && !loop_.draining()) return next_request();
  Code ignored;
  // Closing over unread bytes resets the connection, and the answer may be lost with it.
  if (!unread_ && buffer_.size() == 0 && socket_.available(ignored) == 0) return close();
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  set_state(State::lingering, kLingerTimeout);
  linger();
}

// Reads and forgets until the other side has closed or the deadline comes.
void Session::linger() {
  buffer_.consume(buffer_.size());
  socket_.async_read_some(buffer_.prepare(kBufferBytes), [self = shared_from_this()](Code error, std::size_t) {
    if (self->state_ == State::closed) return;
    if (error) return self->close();
    self->linger();
  });
}

void Session::sweep(TimePoint now) {
  if (now < deadline_) return;
  if (state_ != State::receiving) return close();
  timed_out_ = true;
  deadline_ = now + kLingerTimeout;
  Code ignored;
  socket_.cancel(ignored);
}

void Session::drain() {
  Code ignored;
  close_after_ = true;
  if (state_ == State::idle && socket_.available(ignored) == 0) close();
}

void Session::cut() { close(); }

void Session::close() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  deadline_ = TimePoint::max();
  Code ignored;
  socket_.close(ignored);
  loop_.leave(this);
}

}  // namespace nestor::server
