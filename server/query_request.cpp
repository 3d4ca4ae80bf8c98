#include "server/query_request.h"

#include <algorithm>

#include "server/fields.h"
#include "server/protocol.h"
#include "server/query_reader.h"
#include "server/search_params.h"

namespace nestor::server {
namespace {

QueryNode read_node(const JsonValue& body, QueryReader& reader, QueryForm form) {
  switch (form) {
    case QueryForm::query: return reader.query(body);
    case QueryForm::search: return reader.search(body);
    case QueryForm::recommend: return reader.recommend(body);
    case QueryForm::discover: return reader.discover(body);
  }
  return {};
}

// An answer holds the prefix that ranked it; of a rotated collection the ranking prefix is none of the stored vector.
void check_prefix_answer(const QueryRequest& request, const OpenCollection& target) {
  const index::CollectionOptions& options = target->options();
  if (request.with_vector && request.node.search.width.value_or(options.dim) != options.dim &&
      options.rotation != index::Rotation::none)
    not_supported("`with_vector` together with a `width` in a collection with a rotation");
}

}  // namespace

QueryRequest read_query_request(const JsonValue& body, const QueryContext& context, QueryForm form) {
  expect_object(body, "body");
  QueryReader reader(context);
  QueryRequest request;
  request.node = read_node(body, reader, form);
  request.payload = read_payload_selector(body, false);
  request.with_vector = read_vector_selector(body, *context.target.schema, false);
  if (form != QueryForm::query && request.node.search.explain)
    not_supported("`explain` in the older forms of a query (their answers have no place for it, use points/query)");
  if (form != QueryForm::query && (request.node.search.target_recall || request.node.search.max_latency_ms))
    not_supported("`target_recall` in the older forms of a query (their answers have no place to say whether it is "
                  "certified, use points/query)");
  check_prefix_answer(request, context.target);
  return request;
}

}  // namespace nestor::server
