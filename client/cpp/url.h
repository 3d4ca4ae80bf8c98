#pragma once
// Where a server is.

#include <string>

namespace nestor::client {

struct Url {
  bool https = false;
  std::string host;  // without the brackets of an IPv6 address
  std::string port;
  std::string prefix;  // "" or "/path" without a slash at its end

  std::string authority() const;  // for the Host header
};

// Throws Error invalid_argument with what is wrong.
Url parse_url(const std::string& text);

}  // namespace nestor::client
