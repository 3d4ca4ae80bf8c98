#pragma once
// Queries as the dialect writes them, read and checked: what `points/query` and its older forms take.

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "server/catalog.h"
#include "server/json_view.h"
#include "server/limits.h"
#include "server/payload.h"
#include "server/query_node.h"

namespace nestor::server {

struct QueryRequest {
  QueryNode node;
  PayloadSelector payload;
  bool with_vector = false;
};

// What queries are read against.
struct QueryContext {
  Catalog& catalog;
  const OpenCollection& target;
  const RequestLimits& limits;
};

// The forms of a request; all but `query` are those of older clients, whose answers are bare lists.
enum class QueryForm {
  query,      // {query, prefetch, using, ...}
  search,     // {vector: [..] | {name, vector}, limit, ...}
  recommend,  // {positive, negative, strategy, limit, ...}
  discover    // {target, context, limit, ...}
};

// Throws HttpError 4xx. Nothing is searched or read from the collection.
QueryRequest read_query_request(const JsonValue& body, const QueryContext& context, QueryForm form);

}  // namespace nestor::server
