#pragma once
// One query as the dialect writes it, read and checked: what `points/query` and `points/search` take.

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "server/catalog.h"
#include "server/filter.h"
#include "server/json_view.h"
#include "server/limits.h"
#include "server/payload.h"

namespace nestor::server {

struct QueryRequest {
  std::vector<float> vector;              // empty: `point`, or else a listing of points by id
  std::optional<index::PointId> point;    // search near this point's vector, without the point itself
  index::SearchOptions search;            // k is set when the query runs
  std::shared_ptr<const Filter> filter;   // null: every point
  std::string_view filter_text;           // as it was sent, in the body: equal texts are one filter
  std::size_t limit = 10;
  std::size_t offset = 0;
  std::optional<float> score_threshold;   // strict: a score equal to it is out
  PayloadSelector payload;
  bool with_vector = false;
};

// Both throw HttpError 4xx. Nothing is searched or read from the collection.
QueryRequest read_query_request(const JsonValue& body, const OpenCollection& target, const RequestLimits& limits);
// The older form: {vector: [..] | {name, vector}, limit, ...}.
QueryRequest read_search_request(const JsonValue& body, const OpenCollection& target, const RequestLimits& limits);

}  // namespace nestor::server
