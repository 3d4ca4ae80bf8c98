// Points: retrieve by id, count, scroll.
#include <algorithm>

#include "server/fields.h"
#include "server/handlers/handlers.h"
#include "server/json_writer.h"
#include "server/payload.h"
#include "server/point_ids.h"

namespace nestor::server {
namespace {

constexpr std::size_t kScrollChunk = 256;  // rows in memory at a time, besides the answer

RecordFormat read_format(const JsonValue& body, const OpenCollection& target) {
  return {read_payload_selector(body, true), read_vector_selector(body, *target.schema, false), target.schema.get()};
}

void get_one(Context& context, const Call& call, Response& response) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const auto id = parse_id(std::string_view(call.parameters[1]));
  if (!id) throw HttpError(400, "Wrong input: Can not recognize \"" + call.parameters[1] + "\" as point id");
  const auto record = target->get(*id, true, true);
  if (!record) throw HttpError(404, "Not found: Point with id " + index::to_string(*id) + " does not exists!");
  append_record(response.body, *record, {{PayloadSelector::Mode::all, {}}, true, target.schema.get()});
}

void retrieve(Context& context, const Call& call, Response& response) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  const JsonValue body = document.root();
  expect_object(body, "body");
  const auto ids = read_ids(required_field(body, "ids"), "ids", context.limits.points);
  const RecordFormat format = read_format(body, target);
  response.body += '[';
  bool first = true;
  for (const index::PointId& id : ids) {
    const auto record = target->get(id, format.with_vector, format.payload.wanted());
    if (!record) continue;
    if (!first) response.body += ',';
    first = false;
    append_record(response.body, *record, format);
    check_answer_size(response.body.size(), context.limits.answer_bytes);
  }
  response.body += ']';
}

void count(Context& context, const Call& call, Response& response) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  expect_object(document.root(), "body");
  refuse_fields(document.root(), {"filter"});
  bool_field(document.root(), "exact");
  response.body += "{\"count\":";
  append_unsigned(response.body, target->count());
  response.body += '}';
}

struct Page {
  std::size_t limit = 10;
  std::optional<index::PointId> offset;
};

Page read_page(const JsonValue& body, const RequestLimits& limits) {
  Page page;
  page.limit = integer_field(body, "limit", {1, limits.points}).value_or(10);
  if (const auto offset = field(body, "offset")) page.offset = read_id(*offset);
  return page;
}

void scroll(Context& context, const Call& call, Response& response) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  const JsonValue body = document.root();
  expect_object(body, "body");
  refuse_fields(body, {"filter", "order_by"});
  const Page page = read_page(body, context.limits);
  const RecordFormat format = read_format(body, target);

  response.body += "{\"points\":[";
  std::optional<index::PointId> next = page.offset;
  std::size_t written = 0;
  bool more = true;
  while (more && written < page.limit) {
    // One row beyond the chunk tells where the next one starts.
    const std::size_t wanted = std::min(kScrollChunk, page.limit - written);
    const auto records = target->scroll(next, wanted + 1, format.with_vector, format.payload.wanted());
    for (std::size_t i = 0; i < std::min(wanted, records.size()); ++i, ++written) {
      if (written) response.body += ',';
      append_record(response.body, records[i], format);
    }
    check_answer_size(response.body.size(), context.limits.answer_bytes);
    more = records.size() > wanted;
    if (more) next = records[wanted].id;
  }
  response.body += "],\"next_page_offset\":";
  if (more)
    append_id(response.body, *next);
  else
    response.body += "null";
  response.body += '}';
}

}  // namespace

void add_point_read_routes(Router& router, Context& context) {
  const auto add = [&](const std::string& method, const std::string& last, auto handler) {
    router.add({method, "/collections/{name}/points" + last, Lane::read, true,
                [&context, handler](const Call& call, Response& response) { handler(context, call, response); }});
  };
  add("GET", "/{id}", get_one);
  add("POST", "", retrieve);
  add("POST", "/count", count);
  add("POST", "/scroll", scroll);
}

}  // namespace nestor::server
