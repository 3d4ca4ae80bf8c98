#pragma once
// Scores of a point from its nearness to several examples (larger is better), as the dialect defines them. With
// s(e) the similarity to example e, g(x) = x / (1 + |x|) and f(x) = (g(x) + 1) / 2:
//
//   best_score   f(max s(positive)) when that is above max s(negative), else -f(max s(negative))
//   sum_scores   the sum of s(positive) minus the sum of s(negative)
//   context      the sum over pairs of g(min(s(positive) - s(negative) - 2^-23, 0))
//   discover     the number of pairs with s(positive) > s(negative) minus those with less, plus f(s(target))

#include <functional>
#include <span>

#include "index/types.h"
#include "server/query_node.h"

namespace nestor::server {

// Cosine, dot product, or minus the squared distance: what examples and candidates are compared by, which is not the
// score of a nearest neighbour where that is a distance. Always finite.
float similarity_from_distance(index::Metric metric, float distance);

// Takes the distances to the examples in the order: target (if any), positive, negative. `query` must outlive it.
// REQUIRES a kind other than average_vector.
std::function<float(std::span<const float> distances)> example_score(const ExamplesQuery& query, index::Metric metric);

// avg(positive), or with negatives 2 avg(positive) - avg(negative). REQUIRES one positive at least and equal lengths.
std::vector<float> average_vector(std::span<const std::vector<float>> positive,
                                  std::span<const std::vector<float>> negative);

}  // namespace nestor::server
