// Other names of collections: a reader switches from one collection to the next at once.
#include <vector>

#include "server/collection_config.h"
#include "server/fields.h"
#include "server/handlers/handlers.h"
#include "server/json_writer.h"

namespace nestor::server {
namespace {

using storage::AliasChange;

std::string required_string(const JsonValue& object, std::string_view name) {
  required_field(object, name);
  return *string_field(object, name);
}

AliasChange read_change(const JsonValue& action) {
  expect_object(action, "actions");
  const auto members = action.members();
  if (members.size() != 1)
    format_error("an action is an object with one of `create_alias`, `delete_alias`, `rename_alias`");
  const auto& [name, body] = members[0];
  expect_object(body, name);
  if (name == "create_alias") {
    AliasChange change{AliasChange::Kind::create, required_string(body, "alias_name"),
                       required_string(body, "collection_name")};
    check_alias_name(change.alias);
    return change;
  }
  if (name == "delete_alias") return {AliasChange::Kind::remove, required_string(body, "alias_name"), ""};
  if (name == "rename_alias") {
    AliasChange change{AliasChange::Kind::rename, required_string(body, "old_alias_name"),
                       required_string(body, "new_alias_name")};
    check_alias_name(change.target);
    return change;
  }
  format_error("unknown action `" + name + "`, expected one of `create_alias`, `delete_alias`, `rename_alias`");
}

void change(Context& context, const Call& call, Response& response) {
  const JsonDocument document(call.request.body, context.limits.json_depth);
  expect_object(document.root(), "body");
  const JsonValue actions = required_field(document.root(), "actions");
  expect_array(actions, "actions");
  std::vector<AliasChange> changes;
  for (const JsonValue& action : actions.items()) changes.push_back(read_change(action));
  context.database.change_aliases(changes);
  response.body += "true";
}

// Of one collection, or of all where `only` is empty.
void append_aliases(const Context& context, const std::string& only, std::string& out) {
  out += "{\"aliases\":[";
  bool first = true;
  for (const auto& [alias, collection] : context.database.aliases()) {
    if (!only.empty() && collection != only) continue;
    out += first ? "{\"alias_name\":" : ",{\"alias_name\":";
    first = false;
    append_string(out, alias);
    out += ",\"collection_name\":";
    append_string(out, collection);
    out += '}';
  }
  out += "]}";
}

void list_of_one(Context& context, const Call& call, Response& response) {
  append_aliases(context, context.catalog.open(call.parameters[0])->name(), response.body);
}

}  // namespace

void add_alias_routes(Router& router, Context& context) {
  router.add({"POST", "/collections/aliases", Lane::write, true,
              [&](const Call& call, Response& response) { change(context, call, response); }});
  router.add({"GET", "/aliases", Lane::read, true,
              [&](const Call&, Response& response) { append_aliases(context, "", response.body); }});
  router.add({"GET", "/collections/{name}/aliases", Lane::read, true,
              [&](const Call& call, Response& response) { list_of_one(context, call, response); }});
}

}  // namespace nestor::server
