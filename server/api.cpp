#include "server/api.h"

#include <chrono>
#include <future>
#include <new>
#include <thread>

#include "server/body_codec.h"
#include "server/collection_settings.h"
#include "server/gzip.h"
#include "server/handlers/handlers.h"
#include "server/payload_terms.h"
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
}

// The answer in the form and the coding that the client asked for.
void encode_answer(const Request& request, std::size_t gzip_bytes, Response& response) {
  if (response.content_type == "application/json") {
    if (const BodyFormat format = format_of_accept(request.header("Accept")); format != BodyFormat::json) {
      response.body = json_to_binary(format, response.body);
      response.content_type = media_type(format);
    }
  }
  if (gzip_bytes == 0 || response.body.size() < gzip_bytes) return;
  response.headers.emplace_back("Vary", "Accept-Encoding");
  if (!takes_gzip(request.header("Accept-Encoding"))) return;
  response.body = gzip(response.body);
  response.headers.emplace_back("Content-Encoding", "gzip");
}

}  // namespace

Api::Api(storage::Database& database, RequestLimits limits, ApiSurroundings around)
    : context_(database, limits, std::move(around.data_directory)),
      gatekeeper_(std::move(around.access)),
      log_(std::move(around.log)) {
  context_.monitor.set_share(limits.shadow_share);
  context_.log = log_;
  context_.recovery_folders = std::move(around.recovery_folders);
  database.use_payload_terms(make_payload_terms);
  database.use_build_rule([](const index::Collection& collection, const std::string& attributes) {
    return may_build(attributes, collection);
  });
  add_service_routes(router_, context_);
  add_alias_routes(router_, context_);
  add_cluster_routes(router_, context_);
  add_calibration_routes(router_, context_);
  add_certificate_routes(router_, context_);
  add_tuning_routes(router_, context_);
  add_collection_routes(router_, context_);
  add_point_read_routes(router_, context_);
  add_point_write_routes(router_, context_);
  add_query_routes(router_, context_);
  add_group_routes(router_, context_);
  add_facet_routes(router_, context_);
  add_matrix_routes(router_, context_);
  add_payload_index_routes(router_, context_);
  add_snapshot_routes(router_, context_);
  add_knnlm_routes(router_, context_);
  add_observation_routes(router_, context_);
}

void Api::log_failure(const Request& request, const std::string& what) const {
  if (!log_) return;
  const std::string id = request.id.empty() ? "" : " (request " + std::string(request.id) + ")";
  log_(std::string(request.method) + " " + std::string(request.target) + " failed: " + what + id);
}

std::optional<Response> Api::admit(const RouteMatch& match, const Request& head) const {
  return gatekeeper_.stop(match, head);
}

Response Api::attempt(const RouteMatch& match, const Request& request, bool on_loop) {
  const double started = now_seconds();
  if (match.error) throw *match.error;
  check_encoding(request);
  Response response;
  Request as_json = request;
  std::string text;
  if (const BodyFormat format = format_of_content_type(request.header("Content-Type")); format != BodyFormat::json) {
    text = binary_to_json(format, request.body, context_.limits.json_depth);
    as_json.body = text;
  }
  const Call call{as_json, match.parameters, parse_query_string(match.query), on_loop};
  call.timeout();  // of the session; what it cannot be is refused here
  if (match.route->enveloped) response.body = kEnvelopeStart;
  match.route->handler(call, response);
  if (response.status == 202)
    response.body = accepted_envelope(now_seconds() - started);
  else if (match.route->enveloped)
    finish_envelope(response.body, now_seconds() - started);
  encode_answer(request, context_.limits.gzip_bytes, response);
  return response;
}

Response Api::run_on(const RouteMatch& match, const Request& request, bool on_loop) {
  const double started = now_seconds();
  const auto elapsed = [started] { return now_seconds() - started; };
  try {
    return attempt(match, request, on_loop);
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

Response Api::run(const RouteMatch& match, const Request& request) {
  if (match.route && !match.route->uploaded_part.empty() && !request.upload) return run_in_memory(match, request);
  Response response = run_on(match, request, false);
  gatekeeper_.decorate(request, response);
  return response;
}

std::optional<Response> Api::run_short(const RouteMatch& match, const Request& request) {
  try {
    Response response = run_on(match, request, true);
    gatekeeper_.decorate(request, response);
    return response;
  } catch (const NeedsWorker&) {
    return std::nullopt;
  }
}

void Api::finish_errands() {
  std::promise<void> reached;
  while (!context_.errands.submit([&reached] { reached.set_value(); })) std::this_thread::yield();
  reached.get_future().wait();
}

Api::Upload Api::begin_upload(const RouteMatch& match, const Request& head) const {
  if (!match.route || match.route->uploaded_part.empty()) return {};
  try {
    return {std::make_shared<UploadedPart>(context_.database.scratch_directory(), head.header("Content-Type"),
                                           match.route->uploaded_part),
            {}};
  } catch (const HttpError& error) {
    return {nullptr, error_response(error, 0)};
  } catch (const index::Error& error) {
    log_failure(head, error.what());
    return {nullptr, error_response(error, 0)};
  }
}

// Where no session has put the body on disk.
Response Api::run_in_memory(const RouteMatch& match, const Request& request) {
  Upload upload = begin_upload(match, request);
  if (upload.refused) return *std::move(upload.refused);
  upload.part->take(request.body);
  Request with_upload = request;
  with_upload.upload = upload.part.get();
  return run(match, with_upload);
}

Response Api::handle(const Request& request) {
  const RouteMatch found = match(request.method, request.target);
  if (auto stopped = admit(found, request)) return *std::move(stopped);
  return run(found, request);
}

}  // namespace nestor::server
