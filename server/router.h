#pragma once
// From method and path to a handler. Patterns are literal segments and parameters: "/collections/{name}".

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/gatekeeper.h"
#include "server/message.h"
#include "server/protocol.h"

namespace nestor::server {

// Where a request's work is done. Health checks never queue behind anything; writes have their own
// workers, so that they cannot hold up queries while they wait for a collection's one writer. A short read is tried
// on the connection's own thread: handing a query of 100 us to another thread and back costs half of that again.
enum class Lane { inline_, short_read, read, write };

// Thrown by Call::leave_loop() and caught by the Api.
struct NeedsWorker {};

// What a handler sees of one request.
struct Call {
  const Request& request;
  std::vector<std::string> parameters;                     // path parameters in order, decoded
  std::vector<std::pair<std::string, std::string>> query;  // decoded
  bool on_loop = false;                                    // of a connection: others wait meanwhile

  // For routes in the lane short_read: to be called before any work of more than about a millisecond. Where the
  // handler may not take that long, it ends here and is run again by a worker.
  void leave_loop() const {
    if (on_loop) throw NeedsWorker{};
  }

  std::optional<std::string> query_value(std::string_view name) const;  // the last of that name
  // "true" or "false". Throws HttpError 400 "Deserialize error in query parameters: ...".
  bool query_flag(std::string_view name, bool by_default) const;
  // Seconds, 1 or more. Throws HttpError 400 for what is no number, 422 for 0.
  std::optional<std::uint64_t> timeout() const;
};

// Enveloped handlers append the result's JSON to response.body; the others write all of the response.
using Handler = std::function<void(const Call&, Response&)>;

struct Route {
  std::string method;
  std::string pattern;
  Lane lane = Lane::read;
  bool enveloped = true;
  Handler handler;
  std::optional<Access> access = {};  // default: read for GET and in the lanes of reads, else write
  // The body is a form of which this part goes to disk as it arrives, see Request::upload. Empty: none.
  std::string uploaded_part = {};

  Access needed_access() const {
    const bool reads = method == "GET" || lane == Lane::read || lane == Lane::short_read;
    return access.value_or(reads ? Access::read : Access::write);
  }
};

struct RouteMatch {
  const Route* route = nullptr;
  std::vector<std::string> parameters;
  std::string_view query;          // still encoded
  std::optional<HttpError> error;  // set when route is null: 400, 404 or 405 with Allow

  Lane lane() const { return route ? route->lane : Lane::inline_; }
  // What is not there asks for a key too: strangers learn nothing.
  Access access() const { return route ? route->needed_access() : Access::read; }
};

// Filled once, then only read: thread-safe.
class Router {
 public:
  void add(Route route);
  // Among the patterns that fit the path and have the method, a literal segment wins over a parameter,
  // from the left. HEAD goes where GET goes. Slashes that follow each other are one, and one at the end
  // is none.
  RouteMatch match(std::string_view method, std::string_view target) const;
  std::vector<const Route*> routes() const;

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
