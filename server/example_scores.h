#pragma once
// Scores of a point from its nearness to several examples (larger is better), as the dialect defines them. With
// s(e) the similarity to example e (cosine, dot product, or minus the distance) and f(x) = (x / (1 + |x|) + 1) / 2:
//
//   best_score   f(max s(positive)) when that is above max s(negative), else -f(max s(negative))
//   sum_scores   the sum of s(positive) minus the sum of s(negative)
//   context      the sum over pairs of min(s(positive) - s(negative), 0): 0 is the best
//   discover     the number of pairs with s(positive) > s(negative) minus those with less, plus f(s(target))

#include <functional>
#include <span>

#include "index/types.h"
#include "server/query_node.h"

namespace nestor::server {

// Takes the distances to the examples in the order: target (if any), positive, negative. `query` must outlive it.
// REQUIRES a kind other than average_vector.
std::function<float(std::span<const float> distances)> example_score(const ExamplesQuery& query, index::Metric metric);

// avg(positive), or with negatives 2 avg(positive) - avg(negative). REQUIRES one positive at least and equal lengths.
std::vector<float> average_vector(std::span<const std::vector<float>> positive,
                                  std::span<const std::vector<float>> negative);

}  // namespace nestor::server
