// Points: upsert and delete.
#include "server/fields.h"
#include "server/handlers/handlers.h"
#include "server/json_writer.h"
#include "server/point_ids.h"
#include "server/upsert_request.h"

namespace nestor::server {
namespace {

// The write is durable and searchable either way; without `wait` clients expect the weaker word.
void append_update(std::string& out, index::Sequence sequence, bool wait) {
  out += "{\"operation_id\":";
  append_unsigned(out, sequence);
  out += wait ? ",\"status\":\"completed\"}" : ",\"status\":\"acknowledged\"}";
}

void upsert(Context& context, const Call& call, Response& response) {
  const bool wait = call.query_flag("wait", false);
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  const UpsertRequest request(document.root(), target, context.limits);
  append_update(response.body, target->upsert(request.points()), wait);
}

void erase(Context& context, const Call& call, Response& response) {
  const bool wait = call.query_flag("wait", false);
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  const JsonValue body = document.root();
  expect_object(body, "body");
  refuse_fields(body, {"filter"});
  const auto ids = read_ids(required_field(body, "points"), "points", context.limits.points);
  const index::Sequence sequence = ids.empty() ? target->info().sequence : target->erase(ids);
  append_update(response.body, sequence, wait);
}

}  // namespace

void add_point_write_routes(Router& router, Context& context) {
  const auto add = [&](const std::string& method, const std::string& last, auto handler) {
    router.add({method, "/collections/{name}/points" + last, Lane::write, true,
                [&context, handler](const Call& call, Response& response) { handler(context, call, response); }});
  };
  add("PUT", "", upsert);
  add("POST", "/delete", erase);
}

}  // namespace nestor::server
