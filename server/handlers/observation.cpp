// GET /metrics and /telemetry: what the server has counted. They read all collections' folders, so a worker does it.
#include "server/handlers/handlers.h"

namespace nestor::server {
namespace {

// Of all collections together; GET /collections/{c}/certificates has them one by one.
std::string watched_promises(const CertificateMonitor& monitor) {
  const auto counter = [](const std::string& name, const char* help, std::uint64_t value) {
    return "# HELP " + name + " " + help + "\n# TYPE " + name + " counter\n" + name + " " + std::to_string(value) + "\n";
  };
  return counter("nestor_certified_queries_checked_total", "Certified queries searched again, exactly",
                 monitor.checked()) +
         counter("nestor_certificate_alarms_total", "Certificates withdrawn because their promise was found broken",
                 monitor.alarms());
}

}  // namespace

void add_observation_routes(Router& router, Context& context) {
  router.add({"GET", "/metrics", Lane::read, false, [&context](const Call&, Response& response) {
                response.content_type = "text/plain; version=0.0.4; charset=utf-8";
                response.body = context.metrics.text() + watched_promises(context.monitor);
              }});
  router.add({"GET", "/telemetry", Lane::read, true,
              [&context](const Call&, Response& response) { response.body += context.metrics.telemetry(); }});
}

}  // namespace nestor::server
