#pragma once
// From a query's JSON to the tree of nodes that it means.

#include "server/query_request.h"
#include "server/vector_reader.h"

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
  // How a vector may be written: with all coordinates, or also as a prefix of them.
  struct Form {
    bool whole = true;
    std::size_t width = 0;           // that the query states; 0: none
    std::optional<PackedType> type;  // of a base64 string, where the query states it
  };

  QueryNode common(const JsonValue& body) const;
  QueryNode older(const JsonValue& body) const;
  void read_prefetches(const JsonValue& body, QueryNode& node);
  void read_query(const JsonValue& value, const Form& form, QueryNode& node) const;
  void read_query_object(const JsonValue& value, const Form& form, QueryNode& node) const;
  void read_lookup(const JsonValue& body, QueryNode& node) const;

  NearestQuery nearest(const JsonValue& object, const Form& form) const;
  ExamplesQuery recommendation(const JsonValue& object) const;
  ExamplesQuery discovery(const JsonValue& target, const std::optional<JsonValue>& pairs) const;
  void read_pairs(const JsonValue& value, ExamplesQuery& query) const;
  FusionQuery reciprocal_rank_fusion(const JsonValue& object) const;

  static Form prefix_form(const JsonValue& body, const QueryNode& node);
  VectorInput vector_input(const JsonValue& value, std::string_view where, const Form& form) const;
  std::vector<VectorInput> examples(const JsonValue& object, std::string_view name) const;
  std::vector<float> vector(const JsonValue& value, std::string_view where, const Form& form) const;
  std::vector<float> typed_vector(const JsonValue& value, std::string_view where, PackedType type) const;

  const QueryContext& context_;
  std::size_t depth_ = 0;
  std::size_t prefetches_ = 0;
};

}  // namespace nestor::server
