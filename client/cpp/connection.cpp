#include "client/cpp/connection.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <cstdlib>
#include <limits>
#include <optional>

namespace nestor::client {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using Code = boost::system::error_code;
using asio::ip::tcp;

constexpr std::size_t kBufferBytes = 64 << 10;

}  // namespace

struct Connection::Impl {
  asio::io_context context{1};
  tcp::socket socket{context};
  std::optional<asio::ssl::stream<tcp::socket&>> tls;
  boost::beast::flat_buffer buffer;
  std::string authority;

  // Runs what start() begins until it has called back, or the time is over: then everything is cancelled.
  template <typename Start>
  Code run(std::chrono::steady_clock::time_point deadline, const Start& start) {
    std::optional<Code> outcome;
    start([&outcome](const Code& error, auto&&...) { outcome = error; });
    context.restart();
    context.run_until(deadline);
    if (outcome) return *outcome;
    Code ignored;
    socket.close(ignored);
    context.restart();
    context.run();
    return asio::error::timed_out;
  }

  void connect(const Url& url, asio::ssl::context* authorities, std::chrono::steady_clock::time_point deadline) {
    tcp::resolver resolver(context);
    Code error;
    const auto found = resolver.resolve(url.host, url.port, error);
    if (error) throw WireError{"cannot resolve \"" + url.host + "\": " + error.message()};
    error = run(deadline, [&](auto done) { asio::async_connect(socket, found, done); });
    if (error) throw WireError{"cannot connect to " + url.authority() + ": " + error.message()};
    socket.set_option(tcp::no_delay(true), error);
    if (!authorities) return;
    tls.emplace(socket, *authorities);
    tls->set_verify_callback(asio::ssl::host_name_verification(url.host));
    ::SSL_set_tlsext_host_name(tls->native_handle(), url.host.c_str());
    error = run(deadline, [&](auto done) { tls->async_handshake(asio::ssl::stream_base::client, done); });
    if (error) throw WireError{"TLS with " + url.authority() + " failed: " + error.message()};
  }

  template <typename Stream, typename Message, typename Parser>
  void exchange(Stream& stream, Message& message, Parser& parser, std::chrono::steady_clock::time_point deadline) {
    Code error = run(deadline, [&](auto done) { http::async_write(stream, message, done); });
    if (error) throw WireError{"sending to " + authority + " failed: " + error.message(), true};
    error = run(deadline, [&](auto done) { http::async_read(stream, buffer, parser, done); });
    if (error) throw WireError{"no answer from " + authority + ": " + error.message(), true};
  }
};

Connection::Connection(const Url& url, asio::ssl::context* tls, std::chrono::milliseconds timeout)
    : impl_(std::make_unique<Impl>()) {
  impl_->authority = url.authority();
  impl_->buffer.reserve(kBufferBytes);
  impl_->connect(url, tls, std::chrono::steady_clock::now() + timeout);
}

Connection::~Connection() = default;

bool Connection::is_open() {
  // Nothing may have come since the last answer: if something can be read, it is the end of the connection.
  Code error;
  impl_->socket.non_blocking(true, error);
  char byte;
  impl_->socket.receive(asio::buffer(&byte, 1), tcp::socket::message_peek, error);
  return error == asio::error::would_block;
}

WireAnswer Connection::exchange(const WireRequest& request, std::chrono::milliseconds timeout) {
  const auto text = [](std::string_view view) { return boost::beast::string_view(view.data(), view.size()); };
  http::request<http::string_body> message;
  message.method_string(text(request.method));
  message.target(text(request.target));
  message.version(11);
  message.set(http::field::host, impl_->authority);
  message.set(http::field::user_agent, "nestor-cpp");
  if (!request.api_key.empty()) message.set("api-key", text(request.api_key));
  if (!request.body.empty()) {
    message.set(http::field::content_type, "application/json");
    message.body() = request.body;
  }
  message.prepare_payload();
  http::response_parser<http::string_body> parser;
  parser.body_limit(std::numeric_limits<std::uint64_t>::max());
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  if (impl_->tls)
    impl_->exchange(*impl_->tls, message, parser, deadline);
  else
    impl_->exchange(impl_->socket, message, parser, deadline);
  WireAnswer answer;
  answer.status = static_cast<int>(parser.get().result_int());
  answer.keep_alive = parser.get().keep_alive();
  const auto wait = parser.get()[http::field::retry_after];
  answer.retry_after = static_cast<unsigned>(std::strtoul(std::string(wait).c_str(), nullptr, 10));
  answer.body = std::move(parser.get().body());
  return answer;
}

}  // namespace nestor::client
