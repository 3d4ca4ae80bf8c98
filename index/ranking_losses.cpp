#include "index/ranking_losses.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <string>

#include "index/error.h"

namespace nestor::index {
namespace {

void check(std::span<const double> scores, std::span<const double> labels) {
  if (scores.size() != labels.size())
    throw Error(ErrorCode::invalid_argument, std::to_string(scores.size()) + " scores and " +
                                                 std::to_string(labels.size()) + " labels make no list");
}

double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

double ideal_dcg(std::span<const double> labels) {
  std::vector<double> sorted(labels.begin(), labels.end());
  std::sort(sorted.begin(), sorted.end(), std::greater<>());
  double sum = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i)
    sum += (std::exp2(sorted[i]) - 1) / std::log2(static_cast<double>(i) + 2);
  return sum;
}

double smooth_rank(std::span<const double> s, std::size_t i, double temperature) {
  double rank = 1;
  for (std::size_t j = 0; j < s.size(); ++j)
    if (j != i) rank += sigmoid((s[j] - s[i]) / temperature);
  return rank;
}

// Adds d rank_i / d s times `factor`.
void add_rank_gradient(std::span<const double> s, std::size_t i, double temperature, double factor,
                       std::vector<double>& gradient) {
  for (std::size_t j = 0; j < s.size(); ++j) {
    if (j == i) continue;
    const double p = sigmoid((s[j] - s[i]) / temperature), slope = factor * p * (1 - p) / temperature;
    gradient[j] += slope;
    gradient[i] -= slope;
  }
}

void check_temperature(double temperature) {
  if (!(temperature > 0))
    throw Error(ErrorCode::invalid_argument, "temperature " + std::to_string(temperature) + " must be greater than 0");
}

}  // namespace

RankingLoss softmax_loss(std::span<const double> s, std::span<const double> y) {
  check(s, y);
  RankingLoss out{0, std::vector<double>(s.size())};
  if (s.empty()) return out;
  const double top = *std::max_element(s.begin(), s.end());
  double sum = 0;
  for (const double x : s) sum += std::exp(x - top);
  const double log_sum = top + std::log(sum), mass = std::accumulate(y.begin(), y.end(), 0.0);
  for (std::size_t i = 0; i < s.size(); ++i) {
    out.loss -= y[i] * (s[i] - log_sum);
    out.gradient[i] = mass * std::exp(s[i] - log_sum) - y[i];
  }
  return out;
}

RankingLoss pairwise_logistic_loss(std::span<const double> s, std::span<const double> y) {
  check(s, y);
  RankingLoss out{0, std::vector<double>(s.size())};
  for (std::size_t i = 0; i < s.size(); ++i)
    for (std::size_t j = 0; j < s.size(); ++j) {
      if (!(y[i] > y[j])) continue;
      out.loss += softplus(s[j] - s[i]);
      const double slope = sigmoid(s[j] - s[i]);
      out.gradient[i] -= slope;
      out.gradient[j] += slope;
    }
  return out;
}

RankingLoss approx_ndcg_loss(std::span<const double> s, std::span<const double> y, double temperature) {
  check(s, y);
  check_temperature(temperature);
  RankingLoss out{0, std::vector<double>(s.size())};
  const double ideal = ideal_dcg(y);
  if (!(ideal > 0)) return out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const double gain = (std::exp2(y[i]) - 1) / ideal;
    if (gain == 0) continue;
    const double rank = smooth_rank(s, i, temperature), log_rank = std::log1p(rank);
    out.loss -= gain * std::log(2) / log_rank;
    // d(-1 / log2(1 + rank)) / d rank
    add_rank_gradient(s, i, temperature, gain * std::log(2) / (log_rank * log_rank * (1 + rank)), out.gradient);
  }
  return out;
}

RankingLoss approx_mrr_loss(std::span<const double> s, std::span<const double> y, double temperature) {
  check(s, y);
  check_temperature(temperature);
  RankingLoss out{0, std::vector<double>(s.size())};
  std::size_t best = s.size();
  double best_rank = 0;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (!(y[i] >= 1)) continue;
    const double rank = smooth_rank(s, i, temperature);
    if (best == s.size() || rank < best_rank) best = i, best_rank = rank;
  }
  if (best == s.size()) return out;
  out.loss = -1 / best_rank;
  add_rank_gradient(s, best, temperature, 1 / (best_rank * best_rank), out.gradient);
  return out;
}

RankingLoss bound_mrr_loss(std::span<const double> s, std::span<const double> y) {
  check(s, y);
  RankingLoss out{0, std::vector<double>(s.size())};
  const auto rank_of = [&](std::size_t i) {
    double rank = 1;
    for (std::size_t j = 0; j < s.size(); ++j)
      if (j != i) rank += std::max(0.0, 1 - (s[i] - s[j]));
    return rank;
  };
  std::size_t best = s.size();
  for (std::size_t i = 0; i < s.size(); ++i)
    if (y[i] >= 1 && (best == s.size() || rank_of(i) < rank_of(best))) best = i;
  if (best == s.size()) return out;
  const double rank = rank_of(best);
  out.loss = -1 / rank;
  for (std::size_t j = 0; j < s.size(); ++j) {
    if (j == best || 1 - (s[best] - s[j]) <= 0) continue;
    out.gradient[j] += 1 / (rank * rank);
    out.gradient[best] -= 1 / (rank * rank);
  }
  return out;
}

RankingLoss gumbel_loss(const LossFunction& loss, std::span<const double> s, std::span<const double> y,
                        const GumbelOptions& options) {
  check(s, y);
  if (options.draws == 0) throw Error(ErrorCode::invalid_argument, "a Gumbel loss needs at least one draw");
  std::mt19937_64 rng(options.seed);
  std::uniform_real_distribution<double> uniform(1e-12, 1);
  RankingLoss out{0, std::vector<double>(s.size())};
  std::vector<double> noisy(s.size());
  const auto n = static_cast<double>(options.draws);
  for (std::size_t draw = 0; draw < options.draws; ++draw) {
    for (std::size_t i = 0; i < s.size(); ++i) noisy[i] = s[i] - options.beta * std::log(-std::log(uniform(rng)));
    const RankingLoss one = loss(noisy, y);
    out.loss += one.loss / n;
    for (std::size_t i = 0; i < s.size(); ++i) out.gradient[i] += one.gradient[i] / n;
  }
  return out;
}

}  // namespace nestor::index
