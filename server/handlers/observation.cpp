// GET /metrics and /telemetry: what the server has counted. They read all collections' folders, so a worker does it.
#include "server/handlers/handlers.h"

namespace nestor::server {

void add_observation_routes(Router& router, Context& context) {
  router.add({"GET", "/metrics", Lane::read, false, [&context](const Call&, Response& response) {
                response.content_type = "text/plain; version=0.0.4; charset=utf-8";
                response.body = context.metrics.text();
              }});
  router.add({"GET", "/telemetry", Lane::read, true,
              [&context](const Call&, Response& response) { response.body += context.metrics.telemetry(); }});
}

}  // namespace nestor::server
