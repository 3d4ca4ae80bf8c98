#include "server/protocol.h"

#include <algorithm>

#include "server/json_writer.h"

namespace nestor::server {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

}  // namespace

bool same_header_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view Request::header(std::string_view name) const {
  for (const auto& [key, value] : headers)
    if (same_header_name(key, name)) return value;
  return {};
}

void format_error(const std::string& message) { throw HttpError(400, "Format error in JSON body: " + message); }
void wrong_input(const std::string& message) { throw HttpError(400, "Wrong input: " + message); }
void bad_request(const std::string& message) { throw HttpError(400, "Bad request: " + message); }
void not_supported(const std::string& what) { throw HttpError(400, "Bad request: " + what + " is not supported yet"); }

void validation_error(std::string_view field, const std::string& message) {
  throw HttpError(422, "Validation error in JSON body: [" + std::string(field) + ": " + message + "]");
}

void check_answer_size(std::size_t bytes, std::size_t limit) {
  if (bytes > limit)
    bad_request("the answer is larger than " + std::to_string(limit) + " bytes, ask for fewer points at a time");
}

int status_of(index::ErrorCode code) {
  using index::ErrorCode;
  switch (code) {
    case ErrorCode::invalid_argument: return 400;
    case ErrorCode::permission_denied: return 403;
    case ErrorCode::not_found: return 404;
    case ErrorCode::already_exists:
    case ErrorCode::failed_precondition: return 409;
    case ErrorCode::unavailable: return 503;
    case ErrorCode::resource_exhausted: return 507;
    case ErrorCode::data_loss:
    case ErrorCode::internal: return 500;
  }
  return 500;
}

std::string_view prefix_of(index::ErrorCode code) {
  using index::ErrorCode;
  switch (code) {
    case ErrorCode::invalid_argument:
    case ErrorCode::already_exists: return "Wrong input: ";
    case ErrorCode::permission_denied: return "Forbidden: ";
    case ErrorCode::not_found: return "Not found: ";
    case ErrorCode::failed_precondition: return "Bad request: ";
    case ErrorCode::unavailable: return "Service unavailable: ";
    case ErrorCode::resource_exhausted: return "Insufficient storage: ";
    case ErrorCode::data_loss:
    case ErrorCode::internal: return "Service internal error: ";
  }
  return "Service internal error: ";
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Payload Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 422: return "Unprocessable Entity";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 507: return "Insufficient Storage";
    default: return "Unknown";
  }
}

void finish_envelope(std::string& body, double seconds) {
  body += ",\"status\":\"ok\",\"time\":";
  append_double(body, seconds);
  body += '}';
}

std::string accepted_envelope(double seconds) {
  std::string body = "{\"status\":\"accepted\",\"time\":";
  append_double(body, seconds);
  return body + '}';
}

Response error_response(const HttpError& error, double seconds) {
  Response response;
  response.status = error.status();
  response.headers = error.headers();
  response.body = "{\"status\":{\"error\":";
  append_string(response.body, error.message());
  response.body += "},\"time\":";
  append_double(response.body, seconds);
  response.body += '}';
  return response;
}

Response error_response(const index::Error& error, double seconds) {
  HttpError answer(status_of(error.code()), std::string(prefix_of(error.code())) + error.what());
  if (answer.status() == 503) answer.with_header("Retry-After", "1");
  return error_response(answer, seconds);
}

}  // namespace nestor::server
