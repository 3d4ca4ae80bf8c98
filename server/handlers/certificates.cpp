// The certificates of a collection.
#include <algorithm>

#include "server/certificate_writer.h"
#include "server/handlers/handlers.h"
#include "server/json_writer.h"

namespace nestor::server {
namespace {

void certificates(Context& context, const Call& call, Response& response) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const index::ServedState now = target->served_state();
  response.body += "{\"certificates\":[";
  bool first = true;
  const auto watched = context.monitor.states(target.collection);
  for (const index::Certificate& c : target->certificates()) {
    if (!first) response.body += ',';
    first = false;
    const auto found =
        std::find_if(watched.begin(), watched.end(), [&](const auto& w) { return w.certificate == c.id; });
    append_certificate(response.body, c, now, found == watched.end() ? nullptr : &*found);
  }
  response.body += "]}";
}

void drop(Context& context, const Call& call, Response& response) {
  append_unsigned(response.body, context.catalog.open(call.parameters[0])->drop_certificates());
}

}  // namespace

void add_certificate_routes(Router& router, Context& context) {
  const std::string path = "/collections/{name}/certificates";
  router.add({"GET", path, Lane::read, true,
              [&context](const Call& call, Response& response) { certificates(context, call, response); },
              Access::read});
  router.add({"DELETE", path, Lane::write, true,
              [&context](const Call& call, Response& response) { drop(context, call, response); }, Access::write});
}

}  // namespace nestor::server
