#pragma once
// The whole HTTP interface without HTTP: a request goes in, an answer comes out, nothing is thrown.

#include <atomic>
#include <functional>
#include <string>

#include "server/catalog.h"
#include "server/limits.h"
#include "server/message.h"
#include "server/router.h"
#include "storage/database.h"

namespace nestor::server {

// What handlers work with. Shared by all of them, thread-safe.
struct Context {
  storage::Database& database;
  Catalog catalog;
  RequestLimits limits;
  std::atomic<bool> ready{true};  // false while stopping: load balancers look elsewhere
};

// Thread-safe.
class Api {
 public:
  using Log = std::function<void(const std::string&)>;

  Api(storage::Database& database, RequestLimits limits, Log log = {});

  // First the route, which tells where the work belongs, then the work. The match must be of this request.
  RouteMatch match(std::string_view method, std::string_view target) const { return router_.match(method, target); }
  Response run(const RouteMatch& match, const Request& request);
  Response handle(const Request& request) { return run(match(request.method, request.target), request); }

  void set_ready(bool ready) { context_.ready = ready; }

 private:
  void answer(const RouteMatch& match, const Request& request, Response& response, double started);
  void log_failure(const Request& request, const std::string& what) const;

  Context context_;
  Router router_;
  Log log_;
};

}  // namespace nestor::server
