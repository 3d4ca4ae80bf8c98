#include "server/request_reader.h"

#include <boost/beast/http/error.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <limits>

namespace nestor::server {
namespace {

namespace http = boost::beast::http;

// Reserved up front: with an empty buffer Beast reads 512 bytes at a time.
constexpr std::size_t kBufferBytes = 64 << 10;
constexpr std::size_t kSpareBytes = 1 << 20;  // a larger body's memory is given back

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

RequestReader::RequestReader(const ConnectionLimits& limits) : limits_(limits) {
  buffer_.reserve(kBufferBytes);
  next();
}

void RequestReader::next() {
  if (parser_) {
    spare_body_ = std::move(parser_->get().body().text);
    if (spare_body_.capacity() > kSpareBytes) spare_body_ = {};
    spare_body_.clear();
  }
  parser_.emplace(std::piecewise_construct, std::make_tuple(RequestBody::value_type{std::move(spare_body_)}));
  parser_->eager(false);  // up to the head: it tells how long a body may be, and where it goes
  parser_->header_limit(static_cast<std::uint32_t>(limits_.header_bytes));
  parser_->body_limit(std::numeric_limits<std::uint64_t>::max());
  head_said_ = false;
  body_begun_ = false;
  body_limit_ = limits_.body_bytes;
}

void RequestReader::receive_into(UploadedPart& upload, std::size_t limit) {
  parser_->get().body().upload = &upload;
  body_limit_ = limit;
}

bool RequestReader::begin_body() {
  body_begun_ = true;
  parser_->eager(true);
  parser_->body_limit(body_limit_);
  return parser_->content_length().value_or(0) <= body_limit_;
}

boost::asio::mutable_buffer RequestReader::prepare() { return buffer_.prepare(kBufferBytes - buffer_.size()); }

RequestReader::Progress RequestReader::refuse(int status, std::string message) {
  fault_ = {status, std::move(message)};
  return Progress::refused;
}

RequestReader::Progress RequestReader::refuse_malformed(const Code& error) {
  if (error == http::error::body_limit)
    return refuse(413, "Bad request: the body is larger than " + std::to_string(body_limit_) + " bytes");
  if (error == http::error::header_limit)
    return refuse(431, "Bad request: the headers are larger than " + std::to_string(limits_.header_bytes) + " bytes");
  return refuse(400, "Bad request: malformed HTTP request: " + error.message());
}

RequestReader::Progress RequestReader::check_head() {
  const auto& message = parser_->get();
  if (message.target().size() > limits_.target_bytes)
    return refuse(414, "Bad request: the target of " + std::to_string(message.target().size()) +
                           " bytes is longer than " + std::to_string(limits_.target_bytes));
  const std::size_t hosts = message.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && message.version() >= 11))
    return refuse(400, "Bad request: malformed HTTP request: " + std::to_string(hosts) + " Host headers, expected one");
  if (message.count(http::field::transfer_encoding) == 0) return Progress::head;
  if (message.version() < 11)
    return refuse(400, "Bad request: malformed HTTP request: Transfer-Encoding needs HTTP/1.1");
  if (message.count(http::field::transfer_encoding) > 1 ||
      !boost::beast::iequals(message[http::field::transfer_encoding], "chunked"))
    return refuse(501, "Bad request: Transfer-Encoding `" + std::string(view(message[http::field::transfer_encoding])) +
                           "` is not supported, only `chunked` is");
  return Progress::head;
}

RequestReader::Progress RequestReader::advance() {
  if (head_said_ && !body_begun_ && !begin_body()) return refuse_malformed(http::error::body_limit);
  while (buffer_.size() > 0 && !parser_->is_done()) {
    if (parser_->is_header_done() && !head_said_) break;
    Code error;
    const std::size_t used = parser_->put(buffer_.data(), error);
    buffer_.consume(used);
    if (error == http::error::need_more) break;
    if (error) return refuse_malformed(error);
  }
  if (parser_->is_header_done() && !head_said_) {
    head_said_ = true;
    return check_head();
  }
  if (parser_->is_done()) return Progress::complete;
  if (buffer_.size() == kBufferBytes)
    return refuse(400, "Bad request: a part of the request between two line ends is too long");
  return Progress::more;
}

bool RequestReader::expects_continue() const {
  return parser_->is_header_done() && !is_http_1_0() &&
         boost::beast::iequals(parser_->get()[http::field::expect], "100-continue");
}

void RequestReader::read_head(Request& request) const {
  const auto& message = parser_->get();
  request.method = view(message.method_string());
  request.target = view(message.target());
  request.body = {};
  request.headers.clear();
  for (const auto& header : message) request.headers.emplace_back(view(header.name_string()), view(header.value()));
}

}  // namespace nestor::server
