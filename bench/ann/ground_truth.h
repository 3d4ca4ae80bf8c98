#pragma once
// Exact neighbours of the queries, and recall against them.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "bench/ann/comparison_data.h"

namespace nestor::bench::ann {

class GroundTruth {
 public:
  // The shipped neighbours where they go deep enough; else those kept in `folder` from an earlier run; else computed
  // with all of `threads` and kept. Computed: blocks of dot products in float32, the best re-ranked in double; where
  // the data is close together, by differences (tests/support/exact_answers.h).
  static GroundTruth find(const ComparisonData& data, std::size_t depth, const std::filesystem::path& folder,
                          unsigned threads);

  const char* source() const { return source_; }  // "shipped", "kept", "computed"
  std::span<const std::int32_t> of(std::size_t query) const { return {ids_.data() + query * depth_, depth_}; }

  // Share of the k nearest among found [k], ids of -1 not counting. A row that ties with the k-th counts too:
  // distance <= d_k (1 + 1e-6), in double, or 1e-5 where the data is close together; never more than k.
  double recall(const ComparisonData& data, std::size_t query, std::span<const std::int32_t> found) const;
  // The sum of exp(-d / T) over the found rows, over the same of the k nearest; d: squared L2. What a kNN-LM gets of
  // its neighbours: the far ones hardly count.
  double softmax_mass(const ComparisonData& data, std::size_t query, std::span<const std::int32_t> found,
                      double temperature) const;

 private:
  std::size_t depth_ = 0;
  std::vector<std::int32_t> ids_;  // [queries x depth], nearest first, ties to the smaller row
  const char* source_ = "";
};

// In double: minus the dot product for dot, else squared L2, which orders unit vectors by angle as well.
double exact_distance(Distance distance, const float* a, const float* b, std::size_t dim);

}  // namespace nestor::bench::ann
