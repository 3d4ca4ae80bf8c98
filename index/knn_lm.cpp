#include "index/knn_lm.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "index/error.h"

namespace nestor::index {
namespace {

// Answers of one search_batch call held at a time: 1024 hits of 256 queries are about 20 MB.
constexpr std::size_t kQueriesAtOnce = 256;

void check_temperature(double temperature) {
  if (!std::isfinite(temperature) || temperature <= 0)
    throw Error(ErrorCode::invalid_argument,
                "temperature must be a finite number above 0, got " + std::to_string(temperature));
}

bool is_better(const TokenProbability& a, const TokenProbability& b) {
  return a.probability != b.probability ? a.probability > b.probability : a.token < b.token;
}

LookupResult aggregate(QueryResult& found, const LookupOptions& options) {
  std::vector<float> distances;
  std::vector<std::uint32_t> values;
  distances.reserve(found.hits.size());
  values.reserve(found.hits.size());
  for (const Hit& hit : found.hits) {
    if (!hit.value) continue;
    distances.push_back(hit.distance);
    values.push_back(*hit.value);
  }
  LookupResult result;
  result.tokens = token_distribution(distances, values, options.temperature);
  if (options.top != 0 && result.tokens.size() > options.top) result.tokens.resize(options.top);
  result.neighbours = static_cast<std::uint32_t>(values.size());
  result.stages = std::move(found.stages);
  return result;
}

}  // namespace

// p(y) = sum_{i: v_i = y} exp(-d_i / T) / sum_i exp(-d_i / T), Khandelwal et al. 2020, equation (2).
// Both sums are taken relative to the nearest neighbour, whose term is then 1: nothing overflows, the
// denominator is at least 1, and terms that underflow are too small to matter. The difference comes before
// the division, since d / T itself may exceed a double.
std::vector<TokenProbability> token_distribution(std::span<const float> distances,
                                                 std::span<const std::uint32_t> values, double temperature) {
  check_temperature(temperature);
  if (distances.size() != values.size())
    throw Error(ErrorCode::invalid_argument, "as many values as distances are needed, got " +
                                                 std::to_string(values.size()) + " and " +
                                                 std::to_string(distances.size()));
  if (distances.empty()) return {};
  if (std::any_of(distances.begin(), distances.end(), [](float d) { return std::isnan(d); }))
    throw Error(ErrorCode::invalid_argument, "a distance is NaN");

  const double nearest = *std::min_element(distances.begin(), distances.end());
  std::vector<TokenProbability> terms(distances.size());
  double total = 0;
  for (std::size_t i = 0; i < distances.size(); ++i) {
    const double distance = distances[i];
    // Equal infinities have no difference; any two equal distances weigh the same.
    const double weight = distance == nearest ? 1.0 : std::exp((nearest - distance) / temperature);
    terms[i] = {values[i], weight};
    total += weight;
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

std::vector<LookupResult> lookup(const Collection& collection, std::span<const float> queries, std::size_t count,
                                 const LookupOptions& options, unsigned threads) {
  check_temperature(options.temperature);
  if (count == 0 ? !queries.empty() : queries.size() % count != 0)
    throw Error(ErrorCode::invalid_argument,
                std::to_string(queries.size()) + " values are not " + std::to_string(count) + " queries of one length");
  std::vector<LookupResult> results;
  if (count == 0) return results;
  results.reserve(count);
  const std::size_t length = queries.size() / count;
  for (std::size_t first = 0; first < count; first += kQueriesAtOnce) {
    const std::size_t size = std::min(kQueriesAtOnce, count - first);
    std::vector<QueryResult> found =
        collection.search_batch(queries.subspan(first * length, size * length), size, options.search, threads);
    for (QueryResult& one : found) results.push_back(aggregate(one, options));
  }
  return results;
}

}  // namespace nestor::index
