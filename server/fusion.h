#pragma once
// One ranking out of several.

#include <span>
#include <vector>

#include "server/query_hit.h"
#include "server/query_node.h"

namespace nestor::server {

struct RankedList {
  std::vector<QueryHit> hits;  // best first
  bool smaller_is_better = false;
  std::uint64_t numbering = 0;  // see QueryAnswer
};

// Every point of the lists once, best first, with its fused score (larger is better); equal scores by id.
//
// rrf: reciprocal rank fusion (Cormack et al. 2009): the sum over the lists of 1 / ((rank + 1) / weight + k - 1) with
//   ranks from 0; a list of weight 0 counts for nothing. Throws HttpError 422 when there are weights, but not one a list.
// dbsf: distribution-based score fusion: scores of a list are mapped so that its mean +- 3 standard deviations (of a
//   sample) become 0..1, and added up; a list of equal scores gives 0.5.
std::vector<QueryHit> fuse(std::span<const RankedList> lists, const FusionQuery& fusion);

}  // namespace nestor::server
