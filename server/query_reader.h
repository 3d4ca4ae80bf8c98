#pragma once
// From a query's JSON to the tree of nodes that it means.

#include "server/query_request.h"

namespace nestor::server {

// Reads one request. Throws HttpError 4xx.
class QueryReader {
 public:
  explicit QueryReader(const QueryContext& context) : context_(context) {}

  QueryNode query(const JsonValue& body);
  QueryNode search(const JsonValue& body);
  QueryNode recommend(const JsonValue& body);
  QueryNode discover(const JsonValue& body);

 private:
  QueryNode common(const JsonValue& body) const;
  void read_prefetches(const JsonValue& body, QueryNode& node);
  void read_query(const JsonValue& value, QueryNode& node) const;
  void read_query_object(const JsonValue& value, QueryNode& node) const;
  void read_lookup(const JsonValue& body, QueryNode& node) const;

  NearestQuery nearest(const JsonValue& object) const;
  ExamplesQuery recommendation(const JsonValue& object) const;
  ExamplesQuery discovery(const JsonValue& target, const std::optional<JsonValue>& pairs) const;
  void read_pairs(const JsonValue& value, ExamplesQuery& query) const;
  FusionQuery reciprocal_rank_fusion(const JsonValue& object) const;

  // `whole`: all coordinates, no prefix.
  VectorInput vector_input(const JsonValue& value, std::string_view where, bool whole) const;
  std::vector<VectorInput> examples(const JsonValue& object, std::string_view name) const;
  std::vector<float> vector(const JsonValue& value, std::string_view where, bool whole) const;

  const QueryContext& context_;
  std::size_t depth_ = 0;
  std::size_t prefetches_ = 0;
};

}  // namespace nestor::server
