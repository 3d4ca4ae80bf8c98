#pragma once
// From the bytes of a connection to whole requests, without any socket: what the session and the fuzzer share.

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <optional>
#include <string>

#include "server/limits.h"
#include "server/message.h"
#include "server/request_body.h"

namespace nestor::server {

// Reads HTTP/1.0 and 1.1. What two servers in a row might read differently is refused: both lengths, lengths that
// differ, codings other than chunked, more than one Host.
class RequestReader {
 public:
  enum class Progress {
    more,      // the bytes so far are no whole request
    head,      // said once: method, target and headers are there; advance() again goes on to the body
    complete,  // until next()
    refused,   // see fault(); nothing can be read any more
  };
  struct Fault {
    int status = 400;
    std::string message;
  };

  explicit RequestReader(const ConnectionLimits& limits);

  // Room for more bytes; empty when what is buffered must be a line that never ends.
  boost::asio::mutable_buffer prepare();
  void commit(std::size_t bytes) { buffer_.commit(bytes); }
  Progress advance();
  // After the head: where the body goes in place of memory, and how large it may be. Must outlive the request.
  void receive_into(UploadedPart& upload, std::size_t limit);
  // Forgets the request and keeps what was sent after it.
  void next();
  void discard_all() { buffer_.consume(buffer_.size()); }

  std::size_t buffered() const { return buffer_.size(); }  // beyond the complete request
  bool is_complete() const { return parser_->is_done(); }
  bool has_head() const { return parser_->is_header_done(); }
  bool keep_alive() const { return parser_->keep_alive(); }
  bool is_http_1_0() const { return parser_->get().version() < 11; }
  bool expects_continue() const;
  const Fault& fault() const { return fault_; }

  // Views into this reader, valid until next(). The body once it is complete.
  void read_head(Request& request) const;
  std::string_view body() const { return parser_->get().body().text; }

 private:
  using Parser = boost::beast::http::request_parser<RequestBody>;
  using Code = boost::system::error_code;

  Progress refuse(int status, std::string message);
  Progress refuse_malformed(const Code& error);
  Progress check_head();
  bool begin_body();  // false: it is too long

  const ConnectionLimits& limits_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::string spare_body_;  // memory of the last request's body, used again
  bool head_said_ = false;
  bool body_begun_ = false;
  std::size_t body_limit_ = 0;
  Fault fault_;
};

}  // namespace nestor::server
