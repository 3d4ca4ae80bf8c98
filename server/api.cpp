#include "server/api.h"

#include <chrono>
#include <new>

#include "server/handlers/handlers.h"
#include "server/protocol.h"

namespace nestor::server {
namespace {

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void check_encoding(const Request& request) {
  const std::string_view encoding = request.header("Content-Encoding");
  if (!encoding.empty() && encoding != "identity")
    throw HttpError(415, "Bad request: a body with Content-Encoding `" + std::string(encoding) +
                             "` is not supported, send it as it is");
  const std::string_view type = request.header("Content-Type");
  for (const std::string_view binary : {"cbor", "msgpack"})
    if (type.find(binary) != std::string_view::npos)
      throw HttpError(415, "Bad request: a body of type `" + std::string(type) + "` is not supported, send JSON");
}

}  // namespace

Api::Api(storage::Database& database, RequestLimits limits, Log log)
    : context_{database, Catalog(database), limits, {true}}, log_(std::move(log)) {
  add_service_routes(router_, context_);
  add_collection_routes(router_, context_);
  add_point_read_routes(router_, context_);
  add_point_write_routes(router_, context_);
  add_query_routes(router_, context_);
  add_knnlm_routes(router_, context_);
}

void Api::log_failure(const Request& request, const std::string& what) const {
  if (log_) log_(std::string(request.method) + " " + std::string(request.target) + " failed: " + what);
}

void Api::answer(const RouteMatch& match, const Request& request, Response& response, double started) {
  if (match.error) throw *match.error;
  check_encoding(request);
  const Call call{request, match.parameters, parse_query_string(match.query)};
  if (match.route->enveloped) response.body = kEnvelopeStart;
  match.route->handler(call, response);
  if (match.route->enveloped) finish_envelope(response.body, now_seconds() - started);
}

Response Api::run(const RouteMatch& match, const Request& request) {
  const double started = now_seconds();
  const auto elapsed = [started] { return now_seconds() - started; };
  try {
    Response response;
    answer(match, request, response, started);
    return response;
  } catch (const HttpError& error) {
    return error_response(error, elapsed());
  } catch (const index::Error& error) {
    Response response = error_response(error, elapsed());
    if (response.status >= 500) log_failure(request, error.what());
    return response;
  } catch (const std::bad_alloc&) {
    log_failure(request, "out of memory");
    return error_response(index::Error(index::ErrorCode::resource_exhausted, "out of memory"), elapsed());
  } catch (const std::exception& error) {
    log_failure(request, error.what());
    return error_response(index::Error(index::ErrorCode::internal, error.what()), elapsed());
  }
}

}  // namespace nestor::server
