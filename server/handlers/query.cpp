// Nearest neighbours: points/query, points/query/batch and the older points/search forms.
#include "server/fields.h"
#include "server/handlers/handlers.h"
#include "server/json_writer.h"
#include "server/query_runner.h"
#include "server/search_params.h"
#include "server/short_query.h"

namespace nestor::server {
namespace {

enum class Form { query, search };  // {"points": [...]} or a bare array

QueryRequest read_request(const JsonValue& body, const OpenCollection& target, const RequestLimits& limits, Form form) {
  return form == Form::query ? read_query_request(body, target, limits) : read_search_request(body, target, limits);
}

struct Answer {
  const OpenCollection& target;
  const RequestLimits& limits;
  std::string& out;
};

void append_hits(const Answer& answer, const QueryRequest& query, const std::vector<index::Hit>& hits) {
  const RecordFormat format{query.payload, query.with_vector, answer.target.schema.get()};
  bool first = true;
  answer.out += '[';
  for (const index::Hit& hit : hits) {
    std::optional<index::Record> record;
    if (format.payload.wanted() || format.with_vector) {
      record = answer.target->get(hit.id, format.with_vector, format.payload.wanted());
      if (!record) continue;  // deleted since the search
    }
    answer.out += first ? "{\"id\":" : ",{\"id\":";
    first = false;
    append_id(answer.out, hit.id);
    answer.out += ",\"version\":";
    append_unsigned(answer.out, record ? record->version : hit.version);
    answer.out += ",\"score\":";
    append_float(answer.out, hit.score);
    if (record) append_record_parts(answer.out, *record, format);
    answer.out += '}';
  }
  answer.out += ']';
  check_answer_size(answer.out.size(), answer.limits.answer_bytes);
}

void append_result(const Answer& answer, const QueryRequest& query, const index::QueryResult& result, Form form) {
  if (form == Form::search) return append_hits(answer, query, result.hits);
  answer.out += "{\"points\":";
  append_hits(answer, query, result.hits);
  if (result.certification) {
    answer.out += ',';
    append_certification(answer.out, *result.certification);
  }
  if (query.search.explain) {
    answer.out += ",\"explain\":";
    append_stage_reports(answer.out, result.stages);
  }
  answer.out += '}';
}

// Some searches are asked for their stages only to be counted.
index::QueryResult run_watched(Context& context, const OpenCollection& target, QueryRequest& query) {
  const bool explain = query.search.explain;
  query.search.explain = context.metrics.wants_stages() || explain;
  index::QueryResult result = run_query(target, query);
  query.search.explain = explain;
  context.metrics.count_stages(result.stages);
  return result;
}

// Only whole answers can be held against exact ones: no page was cut and no threshold applied.
void watch(Context& context, const OpenCollection& target, const QueryRequest& query, const index::QueryResult& result) {
  if (!result.certification || query.filter || query.offset != 0 || query.score_threshold || query.point) return;
  index::SearchOptions options = query.search;
  options.k = static_cast<std::uint32_t>(query.limit);
  context.monitor.saw(target.collection, query.vector, options, result);
}

void single(Context& context, const Call& call, Response& response, Form form) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  QueryRequest query = read_request(document.root(), target, context.limits, form);
  if (!is_short(target, query)) call.leave_loop();
  const index::QueryResult result = run_watched(context, target, query);
  watch(context, target, query, result);
  append_result({target, context.limits, response.body}, query, result, form);
}

// All requests are read before the first one runs.
void batch(Context& context, const Call& call, Response& response, Form form) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  expect_object(document.root(), "body");
  const JsonValue searches = required_field(document.root(), "searches");
  expect_array(searches, "searches");
  if (searches.size() > context.limits.searches)
    wrong_input(std::to_string(searches.size()) + " searches in one batch, at most " +
                std::to_string(context.limits.searches) + " are allowed");
  std::vector<QueryRequest> queries;
  for (const JsonValue& item : searches.items()) queries.push_back(read_request(item, target, context.limits, form));
  const auto results = run_queries(target, queries, context.limits.search_threads);
  response.body += '[';
  for (std::size_t i = 0; i < queries.size(); ++i) {
    if (i) response.body += ',';
    watch(context, target, queries[i], results[i]);
    append_result({target, context.limits, response.body}, queries[i], results[i], form);
  }
  response.body += ']';
}

}  // namespace

void add_query_routes(Router& router, Context& context) {
  const auto add = [&](const std::string& last, Form form) {
    const std::string pattern = "/collections/{name}/points/" + last;
    router.add({"POST", pattern, Lane::short_read, true,
                [&context, form](const Call& call, Response& response) { single(context, call, response, form); }});
    router.add({"POST", pattern + "/batch", Lane::read, true,
                [&context, form](const Call& call, Response& response) { batch(context, call, response, form); }});
  };
  add("query", Form::query);
  add("search", Form::search);
}

}  // namespace nestor::server
