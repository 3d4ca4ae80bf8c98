#pragma once
// Ranking losses with gradients, for learning small re-rankers. One list each: n scores, n labels.
//
// Pure functions, thread-safe, O(n^2) at most. Throw Error invalid_argument when lengths differ or numbers are out of
// range.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace nestor::index {

struct RankingLoss {
  double loss = 0;
  std::vector<double> gradient;  // by the scores
};

// -sum_i y_i log softmax(s)_i (Cao et al. 2007, ListNet's top-one form).
RankingLoss softmax_loss(std::span<const double> scores, std::span<const double> labels);

// sum over pairs with y_i > y_j of log(1 + exp(-(s_i - s_j))) (Burges et al. 2005).
RankingLoss pairwise_logistic_loss(std::span<const double> scores, std::span<const double> labels);

// Minus ndcg with ranks made smooth: rank_i = 1 + sum_{j != i} sigmoid((s_j - s_i) / temperature) (Qin, Liu, Li 2010).
// No cutoff. 0 without a gain.
RankingLoss approx_ndcg_loss(std::span<const double> scores, std::span<const double> labels, double temperature = 1);

// Minus mrr with the same ranks: -max over items with a label of at least 1 of 1 / rank. 0 without one.
RankingLoss approx_mrr_loss(std::span<const double> scores, std::span<const double> labels, double temperature = 1);

// Minus a lower bound of mrr: ranks from above, 1 + sum_{j != i} max(0, 1 - (s_i - s_j)).
RankingLoss bound_mrr_loss(std::span<const double> scores, std::span<const double> labels);

using LossFunction = std::function<RankingLoss(std::span<const double>, std::span<const double>)>;

// The mean of a loss over scores with Gumbel(0, beta) noise (Bruch et al. 2020): smooth where the loss itself is flat.
struct GumbelOptions {
  std::uint64_t seed = 42;
  std::size_t draws = 8;
  double beta = 1;
};
RankingLoss gumbel_loss(const LossFunction& loss, std::span<const double> scores, std::span<const double> labels,
                        const GumbelOptions& options = {});

}  // namespace nestor::index
