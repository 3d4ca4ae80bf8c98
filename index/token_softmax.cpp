#include "index/token_softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "index/error.h"

namespace nestor::index {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

bool is_better(const TokenProbability& a, const TokenProbability& b) {
  return a.probability != b.probability ? a.probability > b.probability : a.token < b.token;
}

void check(const VotingNeighbours& n) {
  check_temperature(n.temperature);
  if (n.distances.size() != n.values.size())
    throw Error(ErrorCode::invalid_argument, "as many values as distances are needed, got " +
                                                 std::to_string(n.values.size()) + " and " +
                                                 std::to_string(n.distances.size()));
  if (!n.weights.empty() && n.weights.size() != n.distances.size())
    throw Error(ErrorCode::invalid_argument, "as many weights as distances are needed, got " +
                                                 std::to_string(n.weights.size()) + " and " +
                                                 std::to_string(n.distances.size()));
  if (std::any_of(n.distances.begin(), n.distances.end(), [](float d) { return std::isnan(d); }))
    throw Error(ErrorCode::invalid_argument, "a distance is NaN");
  for (const float w : n.weights)
    if (!std::isfinite(w) || w <= 0)
      throw Error(ErrorCode::invalid_argument, "a weight must be a finite number above 0, got " + std::to_string(w));
}

// The distance with a compatible weight taken off.
double effective(const VotingNeighbours& n, double distance, double weight) {
  return n.mode == WeightMode::compatible ? distance - std::log(weight) : distance;
}

// The difference comes before the division, since d / T itself may exceed a double. Equal infinities have no
// difference; any two equal distances weigh the same.
double exponent(const VotingNeighbours& n, double nearest, double distance, double weight) {
  const double at = effective(n, distance, weight);
  const double e = at == nearest ? 0.0 : (nearest - at) / n.temperature;
  return n.mode == WeightMode::after_temperature ? e + std::log(weight) : e;
}

}  // namespace

void check_temperature(double temperature) {
  if (!std::isfinite(temperature) || temperature <= 0)
    throw Error(ErrorCode::invalid_argument,
                "temperature must be a finite number above 0, got " + std::to_string(temperature));
}

SoftmaxTerms softmax_terms(const VotingNeighbours& n) {
  check(n);
  SoftmaxTerms terms;
  const std::size_t count = n.distances.size();
  if (count == 0) return terms;
  const auto weight = [&](std::size_t i) { return n.weights.empty() ? 1.0 : double{n.weights[i]}; };
  terms.nearest = kInfinity;
  for (std::size_t i = 0; i < count; ++i)
    terms.nearest = std::min(terms.nearest, effective(n, n.distances[i], weight(i)));
  terms.exponents.resize(count);
  terms.highest = -kInfinity;
  for (std::size_t i = 0; i < count; ++i) {
    terms.exponents[i] = exponent(n, terms.nearest, n.distances[i], weight(i));
    terms.highest = std::max(terms.highest, terms.exponents[i]);
  }
  double total = 0;
  for (const double e : terms.exponents) total += std::exp(e - terms.highest);
  terms.log_total = terms.highest + std::log(total);
  return terms;
}

std::vector<TokenProbability> token_distribution(const VotingNeighbours& n) {
  const SoftmaxTerms softmax = softmax_terms(n);
  std::vector<TokenProbability> terms(n.distances.size());
  double total = 0;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    terms[i] = {n.values[i], std::exp(softmax.exponents[i] - softmax.highest)};
    total += terms[i].probability;
  }
  // Stable, so that a token's terms are added in the order given: the same input, the same last bit.
  std::stable_sort(terms.begin(), terms.end(),
                   [](const TokenProbability& a, const TokenProbability& b) { return a.token < b.token; });
  std::vector<TokenProbability> tokens;
  for (const TokenProbability& term : terms) {
    if (tokens.empty() || tokens.back().token != term.token) tokens.push_back({term.token, 0});
    tokens.back().probability += term.probability;
  }
  for (TokenProbability& token : tokens) token.probability /= total;
  std::sort(tokens.begin(), tokens.end(), is_better);
  return tokens;
}

std::vector<TokenProbability> token_distribution(std::span<const float> distances,
                                                 std::span<const std::uint32_t> values, double temperature) {
  return token_distribution({distances, values, {}, temperature, WeightMode::after_temperature});
}

double token_log_probability(const VotingNeighbours& n, std::uint32_t token) {
  const SoftmaxTerms softmax = softmax_terms(n);
  double highest = -kInfinity;
  for (std::size_t i = 0; i < n.values.size(); ++i)
    if (n.values[i] == token) highest = std::max(highest, softmax.exponents[i]);
  if (highest == -kInfinity) return -kInfinity;
  double sum = 0;
  for (std::size_t i = 0; i < n.values.size(); ++i)
    if (n.values[i] == token) sum += std::exp(softmax.exponents[i] - highest);
  return std::min(0.0, highest + std::log(sum) - softmax.log_total);
}

double omitted_mass_bound(const VotingNeighbours& n, double omitted, float farthest, float max_weight) {
  if (omitted <= 0) return 0;
  if (n.distances.empty()) return 1;
  const SoftmaxTerms softmax = softmax_terms(n);
  const double log_omitted = std::log(omitted) + exponent(n, softmax.nearest, farthest, max_weight);
  // M / (Z + M) = 1 / (1 + Z / M)
  return 1 / (1 + std::exp(softmax.log_total - log_omitted));
}

double mixed_log_probability(double knn_log_probability, double lm_log_probability, double lambda) {
  const double a = std::log(lambda) + knn_log_probability, b = std::log1p(-lambda) + lm_log_probability;
  if (lambda <= 0) return lm_log_probability;
  if (lambda >= 1) return knn_log_probability;
  const double high = std::max(a, b), low = std::min(a, b);
  return high == -kInfinity ? high : high + std::log1p(std::exp(low - high));
}

}  // namespace nestor::index
