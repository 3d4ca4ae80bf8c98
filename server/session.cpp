#include "server/session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>
#include <cstdio>
#include <ctime>
#include <optional>

#include "server/protocol.h"
#include "server/request_id.h"

namespace nestor::server {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

constexpr std::size_t kShortBody = 128 << 10;  // a longer one takes too long to read on the connections' thread
constexpr std::chrono::milliseconds kLingerTimeout = 1s;
constexpr std::chrono::milliseconds kHealthTimeout = 2s;

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

// A handshake that failed because no TLS came.
bool is_plain_http(const boost::system::error_code& error) {
  if (error.category() != asio::error::get_ssl_category()) return false;
  const int reason = ERR_GET_REASON(static_cast<unsigned long>(error.value()));
  return reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST || reason == SSL_R_WRONG_VERSION_NUMBER;
}

}  // namespace

Session::Session(LoopSocket socket, SessionLoop& loop, bool health_only)
    : connection_(std::move(socket), loop.workshop().tls.get()),
      loop_(loop),
      limits_(loop.workshop().limits),
      health_only_(health_only),
      close_after_(health_only),
      reader_(limits_) {}

void Session::start() {
  loop_.enter(this);
  Code ignored;
  connection_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  connection_.socket().non_blocking(true, ignored);
  if (loop_.workshop().access_log) peer_ = connection_.socket().remote_endpoint(ignored).address().to_string();
  if (!connection_.encrypted()) return next_request();
  set_state(State::handshake, limits_.header_timeout);
  connection_.handshake([self = shared_from_this()](Code error) {
    if (self->state_ == State::closed) return;
    if (error && is_plain_http(error)) return self->refuse_plain_http();
    if (error) return self->close();
    self->next_request();
  });
}

void Session::set_state(State state, std::chrono::milliseconds timeout) {
  state_ = state;
  since_ = std::chrono::steady_clock::now();
  deadline_ = since_ + timeout;
}

void Session::next_request() {
  reader_.next();
  response_ = {};
  request_ = {};
  match_ = {};
  upload_.reset();
  id_.clear();
  continue_sent_ = false;
  if (reader_.buffered() > 0) {  // a pipelined request is there already
    set_state(State::receiving, limits_.header_timeout);
    received_ = since_;
    return advance();
  }
  set_state(State::idle, health_only_ ? std::min(kHealthTimeout, limits_.idle_timeout) : limits_.idle_timeout);
  read();
}

// Not async_read_some, which first tries to read what is not there yet: one recv a request, not two.
void Session::read() {
  if (connection_.encrypted())
    return connection_.read_some(
        reader_.prepare(), [self = shared_from_this()](Code error, std::size_t bytes) { self->on_read(error, bytes); });
  connection_.socket().async_wait(asio::socket_base::wait_read,
                                  [self = shared_from_this()](Code error) { self->on_readable(error); });
}

void Session::on_readable(Code error) {
  if (state_ == State::closed) return;
  std::size_t bytes = 0;
  if (!error) bytes = connection_.socket().read_some(reader_.prepare(), error);
  if (error == asio::error::would_block || error == asio::error::try_again) return read();
  on_read(error, bytes);
}

void Session::on_read(Code error, std::size_t bytes) {
  if (state_ == State::closed) return;
  if (timed_out_) {
    const auto limit = reader_.has_head() ? limits_.receive_timeout : limits_.header_timeout;
    return refuse(408, "Timeout: the request's " + std::string(reader_.has_head() ? "body" : "header") +
                           " was not received within " + std::to_string(limit.count()) + " ms");
  }
  if (error) return close();
  reader_.commit(bytes);
  if (upload_) deadline_ = std::chrono::steady_clock::now() + limits_.receive_timeout;  // it may take long, not stand still
  if (state_ == State::idle) {
    set_state(State::receiving,
              health_only_ ? std::min(kHealthTimeout, limits_.header_timeout) : limits_.header_timeout);
    received_ = since_;
  }
  advance();
}

void Session::advance() {
  const RequestReader::Progress progress = reader_.advance();
  if (progress == RequestReader::Progress::head) return take_head();
  if (progress == RequestReader::Progress::refused) return refuse(reader_.fault().status, reader_.fault().message);
  // Even where the body is there already: some clients wait for this line in any case.
  if (!continue_sent_ && reader_.expects_continue()) return send_continue();
  if (progress == RequestReader::Progress::complete) return dispatch();
  if (upload_ && upload_->is_full()) return store_upload();
  read();
}

// A worker waits for the disk, and the sender for the worker.
void Session::store_upload() {
  const bool accepted = loop_.workshop().writers.submit([self = shared_from_this()]() mutable {
    std::optional<Response> failure;
    try {
      self->upload_->store();
    } catch (const index::Error& error) {
      failure = error_response(error, 0);
    }
    auto& loop = self->loop_.context();
    asio::post(loop, [self = std::move(self), failure = std::move(failure)]() mutable {
      if (self->state_ != State::receiving) return;
      if (!failure) return self->read();
      self->close_after_ = self->unread_ = true;
      self->send(*std::move(failure));
    });
  });
  if (accepted) return;
  close_after_ = unread_ = true;
  refuse_overload("Service unavailable: too many requests are waiting");
}

// Everything that can be said without the body, before a stranger may send one.
void Session::take_head() {
  ++requests_;
  deadline_ = received_ + limits_.receive_timeout;
  reader_.read_head(request_);
  choose_id();
  request_.id = id_;
  if (!reader_.keep_alive()) close_after_ = true;
  head_only_ = request_.method == "HEAD";
  match_ = loop_.workshop().api.match(request_.method, request_.target);
  unread_ = !reader_.is_complete();
  if (health_only_ && match_.lane() != Lane::inline_)
    return refuse_overload("Service unavailable: too many connections");
  if (auto stopped = loop_.workshop().api.admit(match_, request_)) {
    leave_body();
    return send(*std::move(stopped));
  }
  Api::Upload upload = loop_.workshop().api.begin_upload(match_, request_);
  if (upload.refused) {
    leave_body();
    return send(*std::move(upload.refused));
  }
  upload_ = std::move(upload.part);
  if (upload_) reader_.receive_into(*upload_, limits_.upload_bytes);
  unread_ = false;
  advance();
}

// Of a request that is answered by its head alone: a body that has come whole is passed over, for any other the
// connection ends.
void Session::leave_body() {
  unread_ = unread_ && reader_.advance() != RequestReader::Progress::complete;
  if (unread_) close_after_ = true;
}

void Session::choose_id() {
  const std::string_view given = request_.header("X-Request-Id");
  if (is_request_id(given))
    id_ = given;
  else
    make_request_id(id_);
}

void Session::send_continue() {
  continue_sent_ = true;
  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
  connection_.write(asio::buffer(kContinue), [self = shared_from_this()](Code error, std::size_t) {
    if (error || self->timed_out_) return self->on_read(error, 0);
    if (self->state_ != State::closed) self->advance();
  });
}

// A client that says how long it waits is not waited for any longer.
std::chrono::milliseconds Session::answer_timeout() const {
  if (match_.query.find("timeout=") == std::string_view::npos) return limits_.request_timeout;
  try {
    for (const auto& [name, value] : parse_query_string(match_.query)) {
      if (name != "timeout" || value.empty() || value.size() > 6) continue;
      if (value.find_first_not_of("0123456789") != std::string::npos) continue;
      return std::clamp<std::chrono::milliseconds>(std::chrono::seconds(std::stoul(value)), 1s,
                                                   limits_.request_timeout);
    }
  } catch (const HttpError&) {  // the handler says what is wrong with it
  }
  return limits_.request_timeout;
}

void Session::dispatch() {
  set_state(State::working, answer_timeout());
  request_.body = reader_.body();
  request_.upload = upload_.get();
  Workshop& workshop = loop_.workshop();
  switch (match_.lane()) {
    case Lane::inline_: return send(workshop.api.run(match_, request_));
    case Lane::short_read:
      if (request_.body.size() <= kShortBody)
        if (auto answer = workshop.api.run_short(match_, request_)) return send(*std::move(answer));
      [[fallthrough]];
    case Lane::read: return work(workshop.readers);
    case Lane::write: return work(workshop.writers);
  }
}

void Session::work(WorkerPool& pool) {
  const bool accepted = pool.submit([self = shared_from_this(), give_up = deadline_]() mutable {
    // The session must end on its loop, so the job hands its share of it over with the answer.
    auto& loop = self->loop_.context();
    // Nobody waits for this any more: a queue that is longer than patience would otherwise never get shorter.
    if (std::chrono::steady_clock::now() >= give_up) {
      asio::post(loop, [self = std::move(self)] { self->answer_late(); });
      return;
    }
    Response response = self->loop_.workshop().api.run(self->match_, self->request_);
    if (self->upload_) self->upload_->remove();
    asio::post(loop, [self = std::move(self), response = std::move(response)]() mutable {
      if (self->state_ == State::working) self->send(std::move(response));
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

// In the clear, as it was asked.
void Session::refuse_plain_http() {
  close_after_ = true;
  const Response answer =
      error_response(HttpError(400, "Bad request: this port speaks HTTPS, ask for https:// instead of http://"), 0);
  write_head(answer);
  head_ += answer.body;
  set_state(State::sending, limits_.send_timeout);
  asio::async_write(connection_.socket(), asio::buffer(head_), [self = shared_from_this()](Code error, std::size_t) {
    if (self->state_ == State::closed) return;
    if (error) return self->close();
    Code ignored;
    self->set_state(State::lingering, kLingerTimeout);
    self->connection_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    self->linger();
  });
}

void Session::write_head(const Response& response) {
  head_.clear();
  head_ += "HTTP/1.1 ";
  head_ += std::to_string(response.status);
  head_ += ' ';
  head_ += reason_phrase(response.status);
  if (!response.content_type.empty()) {
    head_ += "\r\nContent-Type: ";
    head_ += response.content_type;
  }
  if (response.status != 204) {
    head_ += "\r\nContent-Length: ";
    head_ += std::to_string(response.body.size());
  }
  head_ += "\r\nDate: ";
  head_ += http_date();
  if (!id_.empty()) {
    head_ += "\r\nX-Request-Id: ";
    head_ += id_;
  }
  for (const auto& [name, value] : response.headers) {
    head_ += "\r\n";
    head_ += name;
    head_ += ": ";
    head_ += value;
  }
  if (close_after_)
    head_ += "\r\nConnection: close";
  else if (reader_.is_http_1_0())
    head_ += "\r\nConnection: keep-alive";
  head_ += "\r\n\r\n";
}

void Session::send(Response response) {
  if (loop_.draining()) close_after_ = true;
  response_ = std::move(response);
  write_head(response_);
  set_state(State::sending, limits_.send_timeout);
  const std::string_view body = head_only_ ? std::string_view{} : std::string_view(response_.body);
  if (!connection_.encrypted()) return write_plain(body);
  head_ += body;  // one record, not one for each buffer
  connection_.write(asio::buffer(head_),
                    [self = shared_from_this()](Code error, std::size_t) { self->on_sent(error); });
}

// At once as a rule: an answer that fits the socket's buffer needs no turn of the event loop.
void Session::write_plain(std::string_view body) {
  std::array<asio::const_buffer, 2> parts{asio::buffer(head_), asio::const_buffer(body.data(), body.size())};
  Code error;
  std::size_t sent = connection_.socket().write_some(parts, error);
  if (error && error != asio::error::would_block && error != asio::error::try_again) return on_sent(error);
  if (sent == asio::buffer_size(parts)) return on_sent({});
  for (asio::const_buffer& part : parts) {
    const std::size_t done = std::min(sent, part.size());
    part += done;
    sent -= done;
  }
  connection_.write(parts, [self = shared_from_this()](Code failed, std::size_t) { self->on_sent(failed); });
}

void Session::report() {
  const Workshop& workshop = loop_.workshop();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - received_;
  const std::size_t request_bytes = upload_ ? upload_->received() : request_.body.size();
  workshop.api.metrics().count_request(
      {match_.route, response_.status, request_bytes, response_.body.size(), taken.count()});
  if (!workshop.access_log) return;
  AccessEntry entry;
  entry.peer = peer_;
  entry.method = request_.method;
  entry.target = request_.target;
  if (match_.route) entry.route = match_.route->pattern;
  entry.user_agent = request_.header("User-Agent");
  entry.id = id_;
  entry.status = response_.status;
  entry.request_bytes = request_bytes;
  entry.response_bytes = response_.body.size();
  entry.seconds = taken.count();
  workshop.access_log(entry);
}

void Session::on_sent(Code error) {
  if (state_ == State::closed) return;
  report();
  if (error) return close();
  if (close_after_ || loop_.draining()) return finish();
  if (reader_.buffered() == 0) return next_request();
  // A pipelined request: by way of the loop, so that a long row of them neither grows the stack nor shuts others out.
  asio::post(loop_.context(), [self = shared_from_this()] {
    if (self->state_ != State::closed) self->next_request();
  });
}

void Session::finish() {
  Code ignored;
  // Closing over unread bytes resets the connection, and the answer may be lost with it.
  if (!unread_ && reader_.buffered() == 0 && connection_.socket().available(ignored) == 0 && !connection_.encrypted())
    return close();
  set_state(State::lingering, kLingerTimeout);
  if (!connection_.encrypted()) {
    connection_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    return linger();
  }
  connection_.say_goodbye([self = shared_from_this()](Code) { self->close(); });
}

// Reads and forgets until the other side has closed or the deadline comes.
void Session::linger() {
  reader_.discard_all();
  connection_.socket().async_read_some(reader_.prepare(), [self = shared_from_this()](Code error, std::size_t) {
    if (self->state_ == State::closed) return;
    if (error) return self->close();
    self->linger();
  });
}

void Session::answer_late() {
  if (state_ != State::working) return;
  close_after_ = true;  // a worker may still look at the request
  send(error_response(
      HttpError(408, "Timeout: the operation did not end in time; a write may still be carried out"), 0));
}

void Session::sweep(TimePoint now) {
  if (now < deadline_) return;
  if (state_ == State::working) return answer_late();
  if (state_ != State::receiving) return close();
  timed_out_ = true;
  deadline_ = now + kLingerTimeout;
  Code ignored;
  connection_.socket().cancel(ignored);
}

void Session::drain() {
  Code ignored;
  close_after_ = true;
  if (state_ == State::handshake || (state_ == State::idle && connection_.socket().available(ignored) == 0)) close();
}

void Session::cut() { close(); }

void Session::close() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  deadline_ = TimePoint::max();
  Code ignored;
  connection_.socket().close(ignored);
  loop_.leave(this);
}

}  // namespace nestor::server
