// GET / and the health checks: no envelope, no authentication, answered on the connection's own thread.
#include "server/handlers/handlers.h"
#include "server/json_writer.h"
#include "server/openapi.h"

namespace nestor::server {
namespace {

// Clients of the dialect compare this version with their own and warn when it is too far away.
constexpr std::string_view kDialectVersion = "1.19.0";

Handler text_answer(std::string text) {
  return [text = std::move(text)](const Call&, Response& response) {
    response.content_type = "text/plain; charset=utf-8";
    response.body = text;
  };
}

void version(const Call&, Response& response) {
  response.body = "{\"title\":\"nestor - nested vector search engine\",\"version\":";
  append_string(response.body, kDialectVersion);
  response.body += ",\"nestor\":";
  append_string(response.body, NESTOR_VERSION);
  response.body += '}';
}

void add_plain(Router& router, const std::string& pattern, Handler handler) {
  router.add({"GET", pattern, Lane::inline_, false, std::move(handler), Access::open});
}

}  // namespace

void add_service_routes(Router& router, Context& context) {
  add_plain(router, "/", version);
  add_plain(router, "/openapi.json", [](const Call&, Response& response) { response.body = openapi_text(); });
  add_plain(router, "/healthz", text_answer("healthz check passed"));
  add_plain(router, "/livez", text_answer("healthz check passed"));
  add_plain(router, "/readyz", [&context](const Call& call, Response& response) {
    const bool ready = context.ready;
    text_answer(ready ? "all shards are ready" : "some shards are not ready")(call, response);
    if (!ready) response.status = 503;
  });
}

}  // namespace nestor::server
