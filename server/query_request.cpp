#include "server/query_request.h"

#include <algorithm>
#include <limits>

#include "server/base64.h"
#include "server/fields.h"
#include "server/filter_selection.h"
#include "server/point_ids.h"
#include "server/protocol.h"
#include "server/search_params.h"
#include "server/vector_reader.h"

namespace nestor::server {
namespace {

constexpr double kLargest = std::numeric_limits<float>::max();

void read_page(const JsonValue& body, QueryRequest& query) {
  query.limit = integer_field(body, "limit", {.low = 1}).value_or(10);
  query.offset = integer_field(body, "offset").value_or(0);
}

void read_common(const JsonValue& body, const OpenCollection& target, const RequestLimits& limits,
                 QueryRequest& query) {
  query.filter = read_filter_field(body, target, limits);
  if (query.filter) query.filter_text = required_field(body, "filter").text();
  read_page(body, query);
  if (const auto threshold = number_field(body, "score_threshold"))
    query.score_threshold = static_cast<float>(std::clamp<double>(*threshold, -kLargest, kLargest));
  query.payload = read_payload_selector(body, false);
  query.with_vector = read_vector_selector(body, *target.schema, false);
  read_search_params(body, query.search);
}

void read_vector(const JsonValue& value, const OpenCollection& target, QueryRequest& query) {
  const std::size_t dim = target->options().dim;
  check_query_length(target->options(), vector_length(value, "query", dim));
  append_coordinates(value, "query", query.vector, dim);
}

// A vector, or the id of a stored point.
void read_vector_input(const JsonValue& value, const OpenCollection& target, QueryRequest& query) {
  // What reads as an id is one; any other string must be a vector in base64.
  const bool is_vector = value.is_string() && !parse_id(value) && is_base64(*value.as_string());
  if (value.is_number() || (value.is_string() && !is_vector)) {
    query.point = read_id(value);
    return;
  }
  if (value.is_object()) {
    for (const std::string_view kind : {"text", "image", "object"})
      if (value.find(kind)) not_supported("inference (`" + std::string(kind) + "` in `query`)");
    if (!value.find("indices")) wrong_type(value, "query", "a vector, a point id or {\"nearest\": ...}");
  }
  read_vector(value, target, query);
}

void read_query_object(const JsonValue& value, const OpenCollection& target, QueryRequest& query) {
  if (const auto nearest = field(value, "nearest")) {
    refuse_fields(value, {"mmr"});
    return read_vector_input(*nearest, target, query);
  }
  for (const std::string_view kind :
       {"recommend", "discover", "context", "order_by", "fusion", "rrf", "formula", "sample", "relevance_feedback"})
    if (value.find(kind)) not_supported("`" + std::string(kind) + "` in `query`");
  read_vector_input(value, target, query);
}

}  // namespace

QueryRequest read_query_request(const JsonValue& body, const OpenCollection& target, const RequestLimits& limits) {
  expect_object(body, "body");
  refuse_fields(body, {"prefetch", "lookup_from"});
  QueryRequest query;
  read_common(body, target, limits, query);
  const auto name = string_field(body, "using");
  const auto value = field(body, "query");
  if (!value) return query;
  check_vector_name(name.value_or(""), *target.schema);
  if (value->is_object())
    read_query_object(*value, target, query);
  else
    read_vector_input(*value, target, query);
  return query;
}

QueryRequest read_search_request(const JsonValue& body, const OpenCollection& target, const RequestLimits& limits) {
  expect_object(body, "body");
  QueryRequest query;
  read_common(body, target, limits, query);
  if (query.search.explain)
    not_supported("`explain` in points/search (its answer has no place for it, use points/query)");
  if (query.search.target_recall || query.search.max_latency_ms)
    not_supported("`target_recall` in points/search (its answer has no place to say whether it is certified, use "
                  "points/query)");
  required_field(body, "limit");
  JsonValue vector = required_field(body, "vector");
  std::string name;
  if (vector.is_object() && vector.find("name")) {
    name = string_field(vector, "name").value_or("");
    vector = required_field(vector, "vector");
  }
  check_vector_name(name, *target.schema);
  if (!vector.is_array() && !vector.is_object() && !vector.is_string())
    wrong_type(vector, "vector", "a vector (a list of numbers)");
  read_vector(vector, target, query);
  return query;
}

}  // namespace nestor::server
