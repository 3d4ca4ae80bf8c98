#pragma once
// Running queries that have been read: prefetches first, then the query over what they found.

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "server/query_hit.h"
#include "server/query_request.h"

namespace nestor::server {

// Bit i of word i / 64 is slot i, never empty. Null: every slot.
using SlotSet = std::shared_ptr<const index::SelectedSlots>;

// Remembers the slots of the filters that a request repeats (the queries of a batch mostly share one).
class Selections {
 public:
  explicit Selections(const OpenCollection& target) : target_(target) {}

  // Null for a query without a filter.
  SlotSet of(const QueryNode& node);

 private:
  const OpenCollection& target_;
  std::vector<std::pair<std::string_view, SlotSet>> known_;
};

// One page of hits, best first. A filter of a query holds for its prefetches too; what a query does with the points its
// prefetches found is exact, and so is a page that ends beyond kMaxNeighbours. Throws HttpError 400, 404 (an id that
// does not exist), index::Error.
QueryAnswer run_query(const OpenCollection& target, const QueryNode& query);

// In order. Queries that differ only in their vector, their threshold and where their page begins are searched
// together, on `threads` threads.
std::vector<QueryAnswer> run_queries(const OpenCollection& target, std::span<const QueryRequest> queries,
                                     unsigned threads);

}  // namespace nestor::server
