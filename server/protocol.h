#pragma once
// The dialect's envelope and its errors: the one place that knows which failure is which HTTP status.

#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "index/error.h"
#include "server/message.h"

namespace nestor::server {

// A failure that already knows its status: wrong routes, malformed bodies, values out of range.
class HttpError : public std::exception {
 public:
  HttpError(int status, std::string message) : status_(status), message_(std::move(message)) {}

  HttpError& with_header(std::string name, std::string value) {
    headers_.emplace_back(std::move(name), std::move(value));
    return *this;
  }

  int status() const { return status_; }
  const std::string& message() const { return message_; }
  const std::vector<std::pair<std::string, std::string>>& headers() const { return headers_; }
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  int status_;
  std::string message_;
  std::vector<std::pair<std::string, std::string>> headers_;
};

// 400, the prefixes clients grep for.
[[noreturn]] void format_error(const std::string& message);  // "Format error in JSON body: ..."
[[noreturn]] void wrong_input(const std::string& message);   // "Wrong input: ..."
[[noreturn]] void bad_request(const std::string& message);   // "Bad request: ..."
// 400: part of the dialect that Nestor does not speak yet. what: "`filter`".
[[noreturn]] void not_supported(const std::string& what);
// 422: "Validation error in JSON body: [field: message]".
[[noreturn]] void validation_error(std::string_view field, const std::string& message);

// 400 when an answer has grown beyond the limit: better than running out of memory.
void check_answer_size(std::size_t bytes, std::size_t limit);

int status_of(index::ErrorCode code);
std::string_view prefix_of(index::ErrorCode code);  // "Wrong input: ", "Not found: ", ...
std::string_view reason_phrase(int status);

// Result text goes between the two.
inline constexpr std::string_view kEnvelopeStart = "{\"result\":";
void finish_envelope(std::string& body, double seconds);
// Of 202: what was asked for is done later, without a result.
std::string accepted_envelope(double seconds);
Response error_response(const HttpError& error, double seconds);
Response error_response(const index::Error& error, double seconds);

}  // namespace nestor::server
