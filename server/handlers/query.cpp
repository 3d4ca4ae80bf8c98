// Queries: points/query and its batch, and the older forms search, recommend and discover.
#include "server/fields.h"
#include "server/handlers/handlers.h"
#include "server/query_answer.h"
#include "server/query_runner.h"
#include "server/search_params.h"
#include "server/short_query.h"

namespace nestor::server {
namespace {

void append_answer(const Context& context, const OpenCollection& target, const QueryRequest& query,
                   const QueryAnswer& answer, QueryForm form, std::string& out) {
  const RecordFormat format = answer_format(target, query);
  const bool bare = form != QueryForm::query;
  if (!bare) out += "{\"points\":";
  append_hits(out, target, answer.hits, format);
  if (answer.certification && !bare) {
    out += ',';
    append_certification(out, *answer.certification);
  }
  if (query.node.search.explain) {
    out += ",\"explain\":";
    append_stage_reports(out, answer.stages);
  }
  if (!bare) out += '}';
  check_answer_size(out.size(), context.limits.answer_bytes);
}

// Some searches are asked for their stages only to be counted.
QueryAnswer run_watched(Context& context, const OpenCollection& target, QueryRequest& query) {
  bool& explain = query.node.search.explain;
  const bool asked = explain;
  explain = context.metrics.wants_stages() || asked;
  QueryAnswer answer = run_query(target, query.node);
  explain = asked;
  context.metrics.count_stages(answer.stages);
  return answer;
}

// Only whole answers can be held against exact ones: no page was cut, no threshold applied, nothing fetched before.
void watch(Context& context, const OpenCollection& target, const QueryRequest& query, const QueryAnswer& answer) {
  const QueryNode& node = query.node;
  const auto* nearest = std::get_if<NearestQuery>(&node.query);
  if (!answer.certification || !nearest || nearest->near.point || !node.prefetch.empty() || node.filter ||
      node.offset != 0 || node.score_threshold || node.limit > index::kMaxNeighbours)
    return;
  index::SearchOptions options = node.search;
  options.k = static_cast<std::uint32_t>(node.limit);
  index::QueryResult result;
  result.certification = answer.certification;
  for (const QueryHit& hit : answer.hits) {
    index::Hit& same = result.hits.emplace_back();
    same.id = hit.id;
    same.distance = hit.distance;
  }
  context.monitor.saw(target.collection, nearest->near.vector, options, result);
}

void single(Context& context, const Call& call, Response& response, QueryForm form) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  QueryRequest query = read_query_request(document.root(), {context.catalog, target, context.limits}, form);
  if (!is_short(target, query)) call.leave_loop();
  const QueryAnswer answer = run_watched(context, target, query);
  watch(context, target, query, answer);
  append_answer(context, target, query, answer, form, response.body);
}

// All requests are read before the first one runs.
void batch(Context& context, const Call& call, Response& response, QueryForm form) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  expect_object(document.root(), "body");
  const JsonValue searches = required_field(document.root(), "searches");
  expect_array(searches, "searches");
  if (searches.size() > context.limits.searches)
    wrong_input(std::to_string(searches.size()) + " searches in one batch, at most " +
                std::to_string(context.limits.searches) + " are allowed");
  std::vector<QueryRequest> queries;
  for (const JsonValue& item : searches.items())
    queries.push_back(read_query_request(item, {context.catalog, target, context.limits}, form));
  const auto answers = run_queries(target, queries, context.limits.search_threads);
  response.body += '[';
  for (std::size_t i = 0; i < queries.size(); ++i) {
    if (i) response.body += ',';
    watch(context, target, queries[i], answers[i]);
    append_answer(context, target, queries[i], answers[i], form, response.body);
  }
  response.body += ']';
}

}  // namespace

void add_query_routes(Router& router, Context& context) {
  const auto add = [&](const std::string& last, QueryForm form) {
    const std::string pattern = "/collections/{name}/points/" + last;
    router.add({"POST", pattern, Lane::short_read, true,
                [&context, form](const Call& call, Response& response) { single(context, call, response, form); }});
    router.add({"POST", pattern + "/batch", Lane::read, true,
                [&context, form](const Call& call, Response& response) { batch(context, call, response, form); }});
  };
  add("query", QueryForm::query);
  add("search", QueryForm::search);
  add("recommend", QueryForm::recommend);
  add("discover", QueryForm::discover);
}

}  // namespace nestor::server
