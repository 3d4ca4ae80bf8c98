#include "index/ranking_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <string>

#include "index/error.h"

namespace nestor::index {
namespace {

bool exists(const RankingList& list, std::size_t i) { return list.mask.empty() || list.mask[i] != 0; }
bool relevant(const RankingList& list, std::size_t i) { return exists(list, i) && list.labels[i] >= 1; }

void check(const RankingList& list) {
  const std::size_t n = list.scores.size();
  if (list.labels.size() == n && (list.mask.empty() || list.mask.size() == n) &&
      (list.weights.empty() || list.weights.size() == n))
    return;
  throw Error(ErrorCode::invalid_argument, "a list of " + std::to_string(n) + " scores has " +
                                               std::to_string(list.labels.size()) + " labels, " +
                                               std::to_string(list.mask.size()) + " mask values and " +
                                               std::to_string(list.weights.size()) + " weights");
}

bool has_nan(const RankingList& list) {
  for (std::size_t i = 0; i < list.scores.size(); ++i)
    if (exists(list, i) && (std::isnan(list.scores[i]) || std::isnan(list.labels[i]) ||
                            (!list.weights.empty() && std::isnan(list.weights[i]))))
      return true;
  return false;
}

// The items that are retrieved, by rank.
std::vector<std::size_t> retrieved(const RankingList& list, const RankingRules& rules) {
  const std::vector<std::size_t> rank = ranks(list, rules.random_ties);
  const std::size_t n = rank.size(), end = std::min(n, rules.cutoff.value_or(n));
  std::vector<std::size_t> order(n);
  for (std::size_t i = 0; i < n; ++i) order[rank[i] - 1] = i;
  order.resize(end);
  while (!order.empty() &&
         (!exists(list, order.back()) || list.scores[order.back()] == -std::numeric_limits<double>::infinity()))
    order.pop_back();
  return order;
}

// Judges write -1 and -2 for "not judged" and "junk": neither is worth less than nothing.
double grade(const RankingList& list, std::size_t i) { return std::max(list.labels[i], 0.0); }

// In units of 2^unit.
double gain(const RankingList& list, std::size_t i, double unit) {
  return (list.weights.empty() ? 1 : list.weights[i]) * (std::exp2(grade(list, i) - unit) - std::exp2(-unit));
}

double dcg(const RankingList& list, const RankingRules& rules, double unit) {
  double sum = 0, rank = 0;
  for (const std::size_t i : retrieved(list, rules)) sum += gain(list, i, unit) / std::log2(++rank + 1);
  return sum;
}

double dcg(const RankingList& list, const RankingRules& rules) {
  const double sum = dcg(list, rules, 0);
  if (!std::isfinite(sum))
    throw Error(ErrorCode::invalid_argument, "labels as large as these have no finite dcg: 2^label is beyond a double");
  return sum;
}

double ndcg(const RankingList& list, const RankingRules& rules) {
  constexpr double kPlain = 512;  // gains of labels up to here add up as they are
  double largest = 0;
  for (std::size_t i = 0; i < list.scores.size(); ++i)
    if (exists(list, i)) largest = std::max(largest, list.labels[i]);
  if (std::isinf(largest)) throw Error(ErrorCode::invalid_argument, "an infinite label has no ndcg");
  const double unit = largest > kPlain ? largest : 0;
  std::vector<double> ideal(list.scores.size());
  for (std::size_t i = 0; i < ideal.size(); ++i) ideal[i] = gain(list, i, unit);
  const double best = dcg({ideal, list.labels, list.mask, list.weights}, {rules.cutoff, {}}, unit);
  return best == 0 ? 0 : dcg(list, rules, unit) / best;
}

double opa(const RankingList& list) {
  std::size_t right = 0, pairs = 0;
  for (std::size_t i = 0; i < list.scores.size(); ++i)
    for (std::size_t j = 0; j < list.scores.size(); ++j) {
      if (!exists(list, i) || !exists(list, j) || !(grade(list, i) > grade(list, j))) continue;
      ++pairs;
      right += list.scores[i] > list.scores[j];
    }
  return pairs == 0 ? 0 : static_cast<double>(right) / static_cast<double>(pairs);
}

// The four that only ask which of the retrieved are relevant.
double binary_metric(RankingMetric metric, const RankingList& list, const RankingRules& rules) {
  const std::vector<std::size_t> order = retrieved(list, rules);
  std::size_t all = 0, found = 0;
  for (std::size_t i = 0; i < list.scores.size(); ++i) all += relevant(list, i);
  double reciprocal = 0, precisions = 0;
  for (std::size_t r = 0; r < order.size(); ++r) {
    if (!relevant(list, order[r])) continue;
    ++found;
    const auto rank = static_cast<double>(r + 1);
    if (found == 1) reciprocal = 1 / rank;
    precisions += static_cast<double>(found) / rank;
  }
  if (all == 0) return 0;
  switch (metric) {
    case RankingMetric::mrr: return reciprocal;
    case RankingMetric::precision:
      return found == 0 ? 0 : static_cast<double>(found) / static_cast<double>(order.size());
    case RankingMetric::recall: return static_cast<double>(found) / static_cast<double>(all);
    default: return precisions / static_cast<double>(all);
  }
}

constexpr RankingMetric kAll[] = {RankingMetric::ndcg,      RankingMetric::dcg,    RankingMetric::mrr,
                                  RankingMetric::precision, RankingMetric::recall, RankingMetric::average_precision,
                                  RankingMetric::opa};

}  // namespace

std::string_view to_string(RankingMetric metric) {
  switch (metric) {
    case RankingMetric::ndcg: return "ndcg";
    case RankingMetric::dcg: return "dcg";
    case RankingMetric::mrr: return "mrr";
    case RankingMetric::precision: return "precision";
    case RankingMetric::recall: return "recall";
    case RankingMetric::average_precision: return "ap";
    case RankingMetric::opa: return "opa";
  }
  return "unknown";
}

RankingMetric parse_ranking_metric(std::string_view text) {
  std::string known;
  for (const RankingMetric metric : kAll) {
    if (text == to_string(metric)) return metric;
    known += (known.empty() ? "" : ", ") + std::string(to_string(metric));
  }
  throw Error(ErrorCode::invalid_argument, "unknown metric \"" + std::string(text) + "\", known are " + known);
}

std::vector<std::size_t> ranks(const RankingList& list, const std::optional<std::uint64_t>& random_ties) {
  check(list);
  const std::size_t n = list.scores.size();
  std::vector<std::size_t> order(n), rank(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (random_ties) {
    std::mt19937_64 rng(*random_ties);
    std::shuffle(order.begin(), order.end(), rng);
  }
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (exists(list, a) != exists(list, b)) return exists(list, a);
    return list.scores[a] > list.scores[b];
  });
  for (std::size_t r = 0; r < n; ++r) rank[order[r]] = r + 1;
  return rank;
}

double ranking_metric(RankingMetric metric, const RankingList& list, const RankingRules& rules) {
  check(list);
  if (has_nan(list)) return std::numeric_limits<double>::quiet_NaN();
  switch (metric) {
    case RankingMetric::ndcg: return ndcg(list, rules);
    case RankingMetric::dcg: return dcg(list, rules);
    case RankingMetric::opa: return opa(list);
    default: return binary_metric(metric, list, rules);
  }
}

double mean_ranking_metric(RankingMetric metric, std::span<const RankingList> lists, const RankingRules& rules) {
  double sum = 0;
  std::size_t count = 0;
  for (const RankingList& list : lists) {
    bool any = false;
    for (std::size_t i = 0; i < list.scores.size(); ++i) any |= exists(list, i);
    if (!any) continue;
    sum += ranking_metric(metric, list, rules);
    ++count;
  }
  return count == 0 ? 0 : sum / static_cast<double>(count);
}

}  // namespace nestor::index
