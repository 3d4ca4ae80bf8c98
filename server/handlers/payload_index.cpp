// Payload indexes: made and dropped.
#include "server/fields.h"
#include "server/field_path.h"
#include "server/handlers/handlers.h"
#include "server/json_writer.h"
#include "server/payload_terms.h"

namespace nestor::server {
namespace {

void append_update(const OpenCollection& target, bool wait, std::string& out) {
  out += "{\"operation_id\":";
  append_unsigned(out, target->info().sequence);
  out += wait ? ",\"status\":\"completed\"}" : ",\"status\":\"acknowledged\"}";
}

void create(Context& context, const Call& call, Response& response) {
  const bool wait = call.query_flag("wait", false);
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  const JsonValue body = document.root();
  expect_object(body, "body");
  path_field(body, "field_name");
  const std::string name = *string_field(body, "field_name");
  auto schema = field(body, "field_schema");
  if (!schema) schema = field(body, "field_type");
  if (!schema)
    bad_request("`field_schema` is missing: say `keyword`, `integer`, `float`, `bool`, `datetime` or `uuid`");
  read_index_definition(*schema);
  target.indexes->create_index(name, std::string(schema->text()));
  append_update(target, wait, response.body);
}

void drop(Context& context, const Call& call, Response& response) {
  const bool wait = call.query_flag("wait", false);
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  target.indexes->drop_index(call.parameters[1]);
  append_update(target, wait, response.body);
}

}  // namespace

void add_payload_index_routes(Router& router, Context& context) {
  router.add({"PUT", "/collections/{name}/index", Lane::write, true,
              [&](const Call& call, Response& response) { create(context, call, response); }});
  router.add({"DELETE", "/collections/{name}/index/{field}", Lane::write, true,
              [&](const Call& call, Response& response) { drop(context, call, response); }});
}

}  // namespace nestor::server
