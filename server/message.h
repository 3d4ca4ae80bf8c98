#pragma once
// A request and an answer without any socket: what handlers and their tests see.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nestor::server {

class UploadedPart;

// Views into the connection's memory; valid until the answer has been made.
struct Request {
  std::string_view method;
  std::string_view target;  // path and query string as sent, still percent-encoded
  std::string_view body;
  std::vector<std::pair<std::string_view, std::string_view>> headers;
  std::string_view id = {};  // of this request, for logs; empty in tests
  UploadedPart* upload = nullptr;  // in place of the body, for routes that say so

  // First header of that name, any case; empty when there is none.
  std::string_view header(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";  // empty: none is sent
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // beyond type, length, date and connection
};

// Equal but for the case of ASCII letters.
bool same_header_name(std::string_view a, std::string_view b);

}  // namespace nestor::server
