#pragma once
// From method and path to a handler. Patterns are literal segments and parameters: "/collections/{name}".

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/message.h"
#include "server/protocol.h"

namespace nestor::server {

// Where a request's work is done. Health checks never queue behind anything; writes have their own
// workers, so that they cannot hold up queries while they wait for a collection's one writer.
enum class Lane { inline_, read, write };

// What a handler sees of one request.
struct Call {
  const Request& request;
  std::vector<std::string> parameters;                           // path parameters in order, decoded
  std::vector<std::pair<std::string, std::string>> query;        // decoded

  std::optional<std::string> query_value(std::string_view name) const;  // the last of that name
  // "true" or "false". Throws HttpError 400 "Deserialize error in query parameters: ...".
  bool query_flag(std::string_view name, bool by_default) const;
};

// Enveloped handlers append the result's JSON to response.body; the others write all of the response.
using Handler = std::function<void(const Call&, Response&)>;

struct Route {
  std::string method;
  std::string pattern;
  Lane lane = Lane::read;
  bool enveloped = true;
  Handler handler;
};

struct RouteMatch {
  const Route* route = nullptr;
  std::vector<std::string> parameters;
  std::string_view query;            // still encoded
  std::optional<HttpError> error;    // set when route is null: 400, 404 or 405 with Allow

  Lane lane() const { return route ? route->lane : Lane::inline_; }
};

// Filled once, then only read: thread-safe.
class Router {
 public:
  void add(Route route);
  // Among the patterns that fit the path and have the method, a literal segment wins over a parameter,
  // from the left. HEAD goes where GET goes. One trailing slash is ignored.
  RouteMatch match(std::string_view method, std::string_view target) const;

 private:
  struct Entry {
    Route route;
    std::vector<std::string> segments;  // "{name}" for a parameter
  };

  std::vector<Entry> entries_;
};

// %41 -> A; "+" stays unless form is set. nullopt: a "%" without two hexadecimal digits.
std::optional<std::string> percent_decode(std::string_view text, bool form);
std::vector<std::pair<std::string, std::string>> parse_query_string(std::string_view text);

}  // namespace nestor::server
