#pragma once
// One connection to a server, one request at a time.

#include <boost/asio/ssl/context.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "client/cpp/url.h"

namespace nestor::client {

struct WireRequest {
  std::string_view method, target, body, api_key;
};

struct WireAnswer {
  int status = 0;
  std::string body;
  unsigned retry_after = 0;  // seconds
  bool keep_alive = false;
};

// What happened on the wire, before there was an answer.
struct WireError {
  std::string what;
  bool sent = false;  // the server may have seen the request
};

class Connection {
 public:
  // Throws WireError.
  Connection(const Url& url, boost::asio::ssl::context* tls, std::chrono::milliseconds timeout);
  ~Connection();

  WireAnswer exchange(const WireRequest& request, std::chrono::milliseconds timeout);  // throws WireError
  // What a kept connection must be asked: false when the other side has closed it meanwhile.
  bool is_open();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace nestor::client
