#include "index/query_loss.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <vector>

#include "index/knn_lm.h"

namespace nestor::index {
namespace {

std::vector<float> distances_of(const QueryResult& result) {
  std::vector<float> out;
  out.reserve(result.hits.size());
  for (const Hit& hit : result.hits) out.push_back(hit.distance);
  return out;
}

std::vector<TokenProbability> distribution_of(const QueryResult& result, double temperature) {
  std::vector<float> distances;
  std::vector<std::uint32_t> values;
  for (const Hit& hit : result.hits) {
    if (!hit.value) continue;
    distances.push_back(hit.distance);
    values.push_back(*hit.value);
  }
  return token_distribution(distances, values, temperature);
}

}  // namespace

double tied_recall(std::span<const float> exact, std::span<const float> found) {
  if (exact.empty()) return 1;
  const double kth = static_cast<double>(exact.back());
  const double limit = kth + 1e-6 * std::abs(kth);
  const auto hits = static_cast<std::size_t>(
      std::count_if(found.begin(), found.end(), [&](float d) { return static_cast<double>(d) <= limit; }));
  return static_cast<double>(std::min(hits, exact.size())) / static_cast<double>(exact.size());
}

double total_variation(const QueryResult& exact, const QueryResult& found, double temperature) {
  const auto p = distribution_of(exact, temperature), q = distribution_of(found, temperature);
  if (p.empty() || q.empty()) return p.empty() == q.empty() ? 0 : 1;
  std::unordered_map<std::uint32_t, double> difference;
  for (const TokenProbability& t : p) difference[t.token] += t.probability;
  for (const TokenProbability& t : q) difference[t.token] -= t.probability;
  double sum = 0;
  for (const auto& [token, d] : difference) sum += std::abs(d);
  return std::min(1.0, sum / 2);
}

float query_loss(LossKind kind, double parameter, const QueryResult& exact, const QueryResult& found) {
  if (kind == LossKind::total_variation) return static_cast<float>(total_variation(exact, found, parameter));
  const double recall = tied_recall(distances_of(exact), distances_of(found));
  if (kind == LossKind::tail_recall) return recall < parameter - 1e-9 ? 1.0f : 0.0f;
  return static_cast<float>(1 - recall);
}

}  // namespace nestor::index
