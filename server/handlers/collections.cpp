// Collections: list, describe, create, update, delete.
#include "server/collection_config.h"
#include "server/collection_info.h"
#include "server/collection_settings.h"
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
    if (error.code() != index::ErrorCode::already_exists) throw;
    if (context.database.aliases().contains(name)) wrong_input(error.what());
    if (!context.database.contains(name)) throw;  // a damaged one: the error says so
    throw HttpError(409, "Wrong input: Collection `" + name + "` already exists!");
  }
  response.body += "true";
}

// Takes effect or is refused: nothing is changed by name only.
void update(Context& context, const Call& call, Response& response) {
  using nlohmann::json;
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  expect_object(document.root(), "body");
  const json change = json::parse(call.request.body);
  context.database.change_attributes(target->name(), [&](const std::string& before) {
    json attributes = json::parse(before, nullptr, false);
    if (!attributes.is_object()) attributes = json::object();
    attributes["create"] = changed_settings(attributes.value("create", json::object()), change,
                                            collection_config(target->options(), before));
    std::string after = attributes.dump();
    if (after.size() > context.limits.creation_bytes)
      bad_request("settings and metadata of " + std::to_string(after.size()) + " bytes, at most " +
                  std::to_string(context.limits.creation_bytes) + " are allowed");
    return after;
  });
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
