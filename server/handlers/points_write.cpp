// Points: upsert, delete, payload changes, and several of them in one request.
#include <algorithm>
#include <array>

#include "server/fields.h"
#include "server/handlers/handlers.h"
#include "server/json_writer.h"
#include "server/update_request.h"

namespace nestor::server {
namespace {

constexpr std::array<std::string_view, 8> kUpdates = {
    "upsert",         "delete",        "set_payload",    "overwrite_payload",
    "delete_payload", "clear_payload", "update_vectors", "delete_vectors"};

// The write is durable and searchable either way; without `wait` clients expect the weaker word.
void append_update(std::string& out, index::Sequence sequence, bool wait) {
  out += "{\"operation_id\":";
  append_unsigned(out, sequence);
  out += wait ? ",\"status\":\"completed\"}" : ",\"status\":\"acknowledged\"}";
}

void update(Context& context, const Call& call, Response& response, std::string_view name) {
  const bool wait = call.query_flag("wait", false);
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  append_update(response.body, read_update(name, document.root(), target, context.limits)(), wait);
}

Update read_operation(const JsonValue& item, const OpenCollection& target, const RequestLimits& limits) {
  expect_object(item, "operations");
  const auto members = item.members();
  if (members.size() != 1 || std::find(kUpdates.begin(), kUpdates.end(), members[0].first) == kUpdates.end())
    format_error(
        "an operation is an object with one of `upsert`, `delete`, `set_payload`, `overwrite_payload`, "
        "`delete_payload`, `clear_payload`, `update_vectors`, `delete_vectors`");
  return read_update(members[0].first, members[0].second, target, limits);
}

// All operations are read before the first one runs.
void batch(Context& context, const Call& call, Response& response) {
  const bool wait = call.query_flag("wait", false);
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  expect_object(document.root(), "body");
  const JsonValue operations = required_field(document.root(), "operations");
  expect_array(operations, "operations");
  std::vector<Update> updates;
  for (const JsonValue& item : operations.items()) updates.push_back(read_operation(item, target, context.limits));
  response.body += '[';
  for (std::size_t i = 0; i < updates.size(); ++i) {
    if (i) response.body += ',';
    append_update(response.body, updates[i](), wait);
  }
  response.body += ']';
}

}  // namespace

void add_point_write_routes(Router& router, Context& context) {
  const std::string points = "/collections/{name}/points";
  const auto add = [&](const std::string& method, const std::string& last, std::string_view name) {
    router.add({method, points + last, Lane::write, true,
                [&context, name](const Call& call, Response& response) { update(context, call, response, name); }});
  };
  add("PUT", "", "upsert");
  add("POST", "/delete", "delete");
  add("PUT", "/vectors", "update_vectors");
  add("POST", "/vectors/delete", "delete_vectors");
  add("POST", "/payload", "set_payload");
  add("PUT", "/payload", "overwrite_payload");
  add("POST", "/payload/delete", "delete_payload");
  add("POST", "/payload/clear", "clear_payload");
  router.add({"POST", points + "/batch", Lane::write, true,
              [&context](const Call& call, Response& response) { batch(context, call, response); }});
}

}  // namespace nestor::server
