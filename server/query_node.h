#pragma once
// A query as data: what is asked, of which points, and the queries whose answers it works on (its prefetches).

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <variant>
#include <vector>

#include "index/collection.h"
#include "index/search_types.h"
#include "index/types.h"
#include "server/filter.h"
#include "server/order_by.h"

namespace nestor::server {

// A vector, or the id of the point whose vector is meant.
struct VectorInput {
  std::vector<float> vector;  // empty: `point`
  std::optional<index::PointId> point;
};

// Points by id.
struct ListQuery {};

struct NearestQuery {
  VectorInput near;
  // Maximal marginal relevance (Carbonell & Goldstein 1998): 0 ranks by nearness alone, 1 by difference from what is
  // already in the answer.
  struct Diversity {
    float share = 0.5f;
    std::optional<std::size_t> candidates;  // chosen from so many nearest; default: the limit
  };
  std::optional<Diversity> diversity;
};

struct ExamplesQuery {
  enum class Kind { average_vector, best_score, sum_scores, context, discover };
  Kind kind = Kind::average_vector;
  std::vector<VectorInput> positive, negative;  // context and discover: pairs, of equal number
  std::optional<VectorInput> target;            // discover
};

struct FusionQuery {
  enum class Kind { rrf, dbsf };
  Kind kind = Kind::rrf;
  float k = 2;                 // rrf
  std::vector<float> weights;  // rrf: one a prefetch, or none
};

struct SampleQuery {};

struct QueryNode {
  std::variant<ListQuery, NearestQuery, ExamplesQuery, OrderBy, FusionQuery, SampleQuery> query;
  std::vector<QueryNode> prefetch;                // empty: the whole collection
  index::SearchOptions search;                    // k is set when the query runs
  std::shared_ptr<const Filter> filter;           // null: every point
  std::string_view filter_text;                   // as it was sent, in the body: equal texts are one filter
  std::size_t limit = 10;
  std::size_t offset = 0;                         // 0 in a prefetch
  std::optional<float> score_threshold;           // strict: a score equal to it is out
  std::shared_ptr<index::Collection> lookup_from;  // where ids in the query stand; null: in the collection itself
};

}  // namespace nestor::server
