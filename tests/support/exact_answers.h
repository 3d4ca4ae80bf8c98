#pragma once
// The exact neighbours of queries, found beside Nestor and not by it, and recall against them.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "index/types.h"

namespace nestor::tests {

// As index::Metric has it (l2: squared), in double.
double exact_distance(index::Metric metric, std::span<const float> a, std::span<const float> b);

struct Questions {
  index::Metric metric = index::Metric::l2;
  std::size_t dim = 0;
  std::span<const float> rows;     // [some x dim], row-major, valid while answers are judged
  std::span<const float> queries;  // [some x dim]
};

// Every row is compared by the difference of coordinates in float32 (no norms, which would cost the digits that near
// duplicates and far origins need; cosine by unit vectors), the nearest again in double.
class ExactAnswers {
 public:
  // The `depth` nearest of each query, or all rows where there are fewer. threads = 0: all cores.
  ExactAnswers(const Questions& questions, std::size_t depth, unsigned threads = 0);

  std::size_t queries() const { return queries_; }
  std::size_t depth() const { return depth_; }
  std::span<const std::uint32_t> rows_of(std::size_t query) const { return {rows_.data() + query * depth_, depth_}; }
  double distance_of(std::size_t query, std::size_t rank) const { return distances_[query * depth_ + rank]; }

  // Share of the k nearest among `found`. Which of equal rows came back is arbitrary, so a row counts when it is as
  // near as the k-th, or farther by no more than float32 arithmetic can tell: distance <= d_k + 1e-5 |d_k| + tiny,
  // where tiny is 1e-42 (l2), 3e-7 (cosine) or 3e-7 |q| |x_k| (dot). Never more than k. REQUIRES: k <= depth().
  double recall(std::size_t query, std::size_t k, std::span<const std::uint64_t> found) const;

 private:
  double limit(std::size_t query, std::size_t k) const;

  Questions questions_;
  std::size_t queries_ = 0, depth_ = 0;
  std::vector<std::uint32_t> rows_;  // [queries x depth], nearest first
  std::vector<double> distances_;
};

}  // namespace nestor::tests
