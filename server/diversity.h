#pragma once
// Answers whose points differ from each other: maximal marginal relevance (Carbonell & Goldstein 1998).

#include <cstddef>
#include <vector>

#include "server/catalog.h"
#include "server/query_hit.h"

namespace nestor::server {

// Takes from `hits` (best first, of a search by vector) one after the other the point with the largest
// (1 - share) * similarity to the query - share * largest similarity to those taken, until there are `count`. Scores
// stay. O(count x hits) distances; reads the vectors of all hits.
std::vector<QueryHit> diversify(const OpenCollection& target, std::vector<QueryHit> hits, float share,
                                std::size_t count);

}  // namespace nestor::server
