// Points: upsert and delete.
#include <algorithm>

#include "server/fields.h"
#include "server/filter_selection.h"
#include "server/handlers/handlers.h"
#include "server/json_writer.h"
#include "server/point_ids.h"
#include "server/upsert_request.h"

namespace nestor::server {
namespace {

constexpr std::size_t kPointsAtOnce = 100'000;

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

// `points`, or those that meet `filter` now.
std::vector<index::PointId> read_selected_points(const JsonValue& body, const OpenCollection& target,
                                                 const RequestLimits& limits) {
  const auto points = field(body, "points");
  const auto filter = read_filter_field(body, target, limits);
  if (points.has_value() == (filter != nullptr)) format_error("expected either `points` or `filter`");
  return points ? read_ids(*points, "points", limits.points) : select_ids(target, *filter);
}

// A filter can choose more points than one write of the store should hold.
template <typename Write>
index::Sequence in_chunks(const OpenCollection& target, std::span<const index::PointId> ids, const Write& write) {
  index::Sequence sequence = target->info().sequence;
  for (std::size_t first = 0; first < ids.size(); first += kPointsAtOnce)
    sequence = write(ids.subspan(first, std::min(kPointsAtOnce, ids.size() - first)));
  return sequence;
}

void erase(Context& context, const Call& call, Response& response) {
  const bool wait = call.query_flag("wait", false);
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  const JsonValue body = document.root();
  expect_object(body, "body");
  const auto ids = read_selected_points(body, target, context.limits);
  append_update(response.body, in_chunks(target, ids, [&](auto chunk) { return target->erase(chunk); }), wait);
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
