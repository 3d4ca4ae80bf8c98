#pragma once
// How many rows a walk compares on this data: counted on a few of the rows themselves when a generation is opened, so
// that the choice between walk and scan rests on the graph at hand. Counts, not times: the same on every run.

#include <cstddef>
#include <cstdint>

#include "index/types.h"

namespace nestor::index {

class Generation;
struct WidthGraph;

class WalkEffort {
 public:
  WalkEffort() = default;

  // Walks from 8 rows spread over the generation: about 5 ms.
  static WalkEffort measure(const Generation& generation, const WidthGraph& graph, Metric metric);

  // Rows compared by a walk that expands `explore` candidates, by the power law through what was counted. O(1).
  double evaluations(double explore) const;
  // ... by one that ends at the default distance gap from its k-th candidate.
  double evaluations_to_gap(std::uint32_t k) const;

 private:
  double few_ = 0, many_ = 0, to_gap_ = 0;  // kFew and kMany expansions; the default gap at k = 10
  double rows_ = 0;
};

}  // namespace nestor::index
