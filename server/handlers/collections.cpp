// Collections: list, describe, create, update, delete.
#include "server/collection_config.h"
#include "server/fields.h"
#include "server/handlers/handlers.h"
#include "server/json_writer.h"

namespace nestor::server {
namespace {

void list(Context& context, Response& response) {
  response.body += "{\"collections\":[";
  bool first = true;
  for (const std::string& name : context.database.collection_names()) {
    response.body += first ? "{\"name\":" : ",{\"name\":";
    first = false;
    append_string(response.body, name);
    response.body += '}';
  }
  response.body += "]}";
}

void describe(Context& context, const Call& call, Response& response) {
  const std::string& name = call.parameters[0];
  const OpenCollection opened = context.catalog.open(name);
  response.body += info_json(opened, context.database.attributes(name));
}

void exists(Context& context, const Call& call, Response& response) {
  response.body += context.database.contains(call.parameters[0]) ? "{\"exists\":true}" : "{\"exists\":false}";
}

void create(Context& context, const Call& call, Response& response) {
  const std::string& name = call.parameters[0];
  check_collection_name(name);
  const Creation creation = parse_creation(call.request.body, context.limits);
  try {
    context.database.create_collection(name, creation.options, creation.attributes);
  } catch (const index::Error& error) {
    // The name of an alias or of a damaged collection: the error says so.
    if (error.code() != index::ErrorCode::already_exists || !context.database.contains(name) ||
        context.database.aliases().contains(name))
      throw;
    throw HttpError(409, "Wrong input: Collection `" + name + "` already exists!");
  }
  response.body += "true";
}

// Clients tune optimisers and graphs of a running collection this way; here none of that can change, and like at
// creation it is accepted without effect.
void update(Context& context, const Call& call, Response& response) {
  context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  expect_object(document.root(), "body");
  response.body += "true";
}

void remove(Context& context, const Call& call, Response& response) {
  response.body += context.database.delete_collection(call.parameters[0]) ? "true" : "false";
}

}  // namespace

void add_collection_routes(Router& router, Context& context) {
  const std::string one = "/collections/{name}";
  router.add({"GET", "/collections", Lane::read, true, [&](const Call&, Response& r) { list(context, r); }});
  router.add({"GET", one, Lane::read, true, [&](const Call& c, Response& r) { describe(context, c, r); }});
  router.add({"GET", one + "/exists", Lane::read, true, [&](const Call& c, Response& r) { exists(context, c, r); }});
  router.add({"PUT", one, Lane::write, true, [&](const Call& c, Response& r) { create(context, c, r); }});
  router.add({"PATCH", one, Lane::write, true, [&](const Call& c, Response& r) { update(context, c, r); }});
  router.add({"DELETE", one, Lane::write, true, [&](const Call& c, Response& r) { remove(context, c, r); }});
}

}  // namespace nestor::server
