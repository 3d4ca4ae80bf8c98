// kNN-LM: next-token distributions, made next to the data so that the neighbours never cross the wire.
#include <limits>

#include "server/fields.h"
#include "server/handlers/handlers.h"
#include "server/json_writer.h"
#include "server/knnlm_request.h"
#include "server/search_params.h"

namespace nestor::server {
namespace {

// What the three queries read alike.
struct Asked {
  explicit Asked(const DatastoreRequest& request)
      : query(read_datastore_query(request.body, request.limits)),
        queries(read_vectors(request.body, "queries", request.target, request.limits)) {}

  storage::DatastoreQuery query;
  VectorList queries;
};

void append_field(std::string& out, std::string_view name, double value) {
  out += ",\"";
  out += name;
  out += "\":";
  append_double(out, value);
}
void append_field(std::string& out, std::string_view name, std::uint32_t value) {
  out += ",\"";
  out += name;
  out += "\":";
  append_unsigned(out, value);
}

void append_distribution(std::string& out, const index::LookupResult& result, bool explain) {
  out += "{\"tokens\":[";
  bool first = true;
  for (const index::TokenProbability& token : result.tokens) {
    out += first ? "{\"token\":" : ",{\"token\":";
    first = false;
    append_unsigned(out, token.token);
    append_field(out, "probability", token.probability);
    out += '}';
  }
  out += ']';
  append_field(out, "neighbours", result.neighbours);
  append_field(out, "searched", result.searched);
  append_field(out, "total_variation_bound", result.total_variation_bound);
  if (result.certification) {
    out += ',';
    append_certification(out, *result.certification);
  }
  if (explain) {
    out += ",\"explain\":";
    append_stage_reports(out, result.stages);
  }
  out += '}';
}

void lookup(const DatastoreRequest& request, Response& response) {
  const Asked asked(request);
  const auto results = request.datastore().lookup(asked.queries.values, asked.queries.count, asked.query);
  response.body += "{\"distributions\":[";
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (i) response.body += ',';
    append_distribution(response.body, results[i], asked.query.options.search.explain);
    check_answer_size(response.body.size(), request.limits.answer_bytes);
  }
  response.body += "]}";
}

void score(const DatastoreRequest& request, Response& response) {
  const Asked asked(request);
  required_field(request.body, "targets");
  const auto wide = read_unsigned(request.body, "targets", std::numeric_limits<std::uint32_t>::max());
  const std::vector<std::uint32_t> targets(wide.begin(), wide.end());
  required_field(request.body, "lm_log_probabilities");
  const std::vector<float> lm = read_floats(request.body, "lm_log_probabilities");
  std::vector<float> lambdas = read_floats(request.body, "lambda");
  if (lambdas.empty()) lambdas = {0.25f};
  const auto scores =
      request.datastore().score(asked.queries.values, asked.queries.count, {targets, lm, lambdas}, asked.query);
  response.body += "{\"scores\":[";
  for (std::size_t i = 0; i < scores.size(); ++i) {
    response.body += i ? ",{\"log_probability\":" : "{\"log_probability\":";
    append_double(response.body, scores[i].log_probability);
    append_field(response.body, "knn_log_probability", scores[i].knn_log_probability);
    append_field(response.body, "neighbours", scores[i].neighbours);
    append_field(response.body, "searched", scores[i].searched);
    append_field(response.body, "total_variation_bound", scores[i].total_variation_bound);
    response.body += '}';
  }
  response.body += "]}";
}

void search(const DatastoreRequest& request, Response& response) {
  const Asked asked(request);
  const auto results = request.datastore().search(asked.queries.values, asked.queries.count, asked.query);
  const index::Metric metric = request.metric();
  response.body += "{\"neighbours\":[";
  for (std::size_t i = 0; i < results.size(); ++i) {
    response.body += i ? ",[" : "[";
    bool first = true;
    for (const index::Hit& hit : results[i].hits) {
      response.body += first ? "{\"id\":" : ",{\"id\":";
      first = false;
      append_id(response.body, hit.id);
      response.body += ",\"distance\":";
      append_float(response.body, metric == index::Metric::l2 ? hit.distance : hit.score);
      if (hit.value) append_field(response.body, "token", *hit.value);
      response.body += '}';
    }
    response.body += ']';
    check_answer_size(response.body.size(), request.limits.answer_bytes);
  }
  response.body += "]}";
}

}  // namespace

void add_knnlm_routes(Router& router, Context& context) {
  const auto datastores = std::make_shared<DatastoreCatalog>();
  const auto add = [&](const std::string& name, auto handler) {
    router.add({"POST", "/collections/{name}/knnlm/" + name, Lane::read, true,
                [&context, datastores, handler](const Call& call, Response& response) {
                  handler(DatastoreRequest(context, *datastores, call), response);
                }});
  };
  add("lookup", lookup);
  add("score", score);
  add("search", search);
  add_knnlm_row_routes(router, context, datastores);
}

}  // namespace nestor::server
