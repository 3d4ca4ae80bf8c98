// kNN-LM: next-token distributions, made next to the data so that the neighbours never cross the wire.
#include <cmath>
#include <limits>

#include "index/knn_lm.h"
#include "server/fields.h"
#include "server/handlers/handlers.h"
#include "server/json_writer.h"
#include "server/search_params.h"
#include "server/vector_reader.h"

namespace nestor::server {
namespace {

constexpr std::uint64_t kDefaultNeighbours = 1024;
constexpr std::uint64_t kDefaultTop = 10;

struct LookupRequest {
  index::LookupOptions options;
  std::vector<float> queries;  // [count x dim]
  std::size_t count = 0;
};

index::LookupOptions read_options(const JsonValue& body) {
  index::LookupOptions options;
  options.search.k = static_cast<std::uint32_t>(
      integer_field(body, "k", {1, index::kMaxNeighbours}).value_or(kDefaultNeighbours));
  options.top = static_cast<std::uint32_t>(
      integer_field(body, "top", {0, std::numeric_limits<std::uint32_t>::max()}).value_or(kDefaultTop));
  if (const auto temperature = number_field(body, "temperature")) {
    if (!(*temperature > 0)) {
      std::string shown;
      append_double(shown, *temperature);
      validation_error("temperature", "value " + shown + " invalid, must be greater than 0");
    }
    options.temperature = *temperature;
  }
  read_search_params(body, options.search);
  return options;
}

LookupRequest read_request(const JsonValue& body, const OpenCollection& target, const RequestLimits& limits) {
  expect_object(body, "body");
  refuse_fields(body, {"filter"});
  LookupRequest request;
  request.options = read_options(body);
  const JsonValue queries = required_field(body, "queries");
  expect_array(queries, "queries");
  request.count = queries.size();
  if (request.count == 0) wrong_input("`queries` is empty");
  if (request.count > limits.searches)
    wrong_input(std::to_string(request.count) + " queries in one lookup, at most " + std::to_string(limits.searches) +
                " are allowed");
  if (queries.is_number_array()) format_error("`queries` is a list of vectors, one vector goes in double brackets");
  const std::size_t dim = target->options().dim;
  const auto items = queries.items();
  for (std::size_t i = 0; i < items.size(); ++i) {
    const std::string where = "queries[" + std::to_string(i) + "]";
    const JsonValue vector = dense_vector(items[i], *target.schema, where);
    const std::size_t length = vector_length(vector, where, dim);
    if (length != dim) dimension_error(dim, length);
    append_coordinates(vector, where, request.queries, dim);
  }
  return request;
}

void append_distribution(std::string& out, const index::LookupResult& result, bool explain) {
  out += "{\"tokens\":[";
  bool first = true;
  for (const index::TokenProbability& token : result.tokens) {
    out += first ? "{\"token\":" : ",{\"token\":";
    first = false;
    append_unsigned(out, token.token);
    out += ",\"probability\":";
    append_double(out, token.probability);
    out += '}';
  }
  out += "],\"neighbours\":";
  append_unsigned(out, result.neighbours);
  if (explain) {
    out += ",\"explain\":";
    append_stage_reports(out, result.stages);
  }
  out += '}';
}

void lookup(Context& context, const Call& call, Response& response) {
  const OpenCollection target = context.catalog.open(call.parameters[0]);
  const JsonDocument document(call.request.body, context.limits.json_depth);
  const LookupRequest request = read_request(document.root(), target, context.limits);
  const auto results = index::lookup(*target.collection, request.queries, request.count, request.options,
                                     context.limits.search_threads);
  response.body += "{\"distributions\":[";
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (i) response.body += ',';
    append_distribution(response.body, results[i], request.options.search.explain);
    check_answer_size(response.body.size(), context.limits.answer_bytes);
  }
  response.body += "]}";
}

}  // namespace

void add_knnlm_routes(Router& router, Context& context) {
  router.add({"POST", "/collections/{name}/knnlm/lookup", Lane::read, true,
              [&](const Call& call, Response& response) { lookup(context, call, response); }});
}

}  // namespace nestor::server
