#include "server/example_scores.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace nestor::server {
namespace {

using Kind = ExamplesQuery::Kind;

float finite(float x) {
  constexpr float kMost = std::numeric_limits<float>::max();
  return std::isnan(x) ? -kMost : std::clamp(x, -kMost, kMost);
}

float signed_squash(float x) { return x / (1 + std::abs(x)); }
float squashed(float x) { return (signed_squash(x) + 1) / 2; }

float largest(std::span<const float> similarities) {
  float most = -std::numeric_limits<float>::infinity();
  for (const float s : similarities) most = std::max(most, s);
  return most;
}

float best_score(std::span<const float> positive, std::span<const float> negative) {
  const float best = largest(positive), worst = largest(negative);
  return best > worst ? squashed(best) : -squashed(worst);
}

float sum_scores(std::span<const float> positive, std::span<const float> negative) {
  return finite(std::accumulate(positive.begin(), positive.end(), 0.0f) -
                std::accumulate(negative.begin(), negative.end(), 0.0f));
}

float context(std::span<const float> positive, std::span<const float> negative) {
  constexpr float kMargin = std::numeric_limits<float>::epsilon();
  float loss = 0;
  for (std::size_t i = 0; i < positive.size(); ++i)
    loss += signed_squash(std::min(finite(positive[i] - negative[i]) - kMargin, 0.0f));
  return loss;
}

float discover(float target, std::span<const float> positive, std::span<const float> negative) {
  float rank = 0;
  for (std::size_t i = 0; i < positive.size(); ++i)
    rank += positive[i] > negative[i] ? 1.0f : positive[i] < negative[i] ? -1.0f : 0.0f;
  return rank + squashed(target);
}

}  // namespace

float similarity_from_distance(index::Metric metric, float distance) {
  return finite(metric == index::Metric::l2 ? -distance : index::score_from_distance(metric, distance));
}

std::function<float(std::span<const float>)> example_score(const ExamplesQuery& query, index::Metric metric) {
  return [&query, metric, similarities = std::vector<float>()](std::span<const float> distances) mutable {
    similarities.clear();
    for (const float d : distances) similarities.push_back(similarity_from_distance(metric, d));
    const std::span<const float> all(similarities);
    const std::size_t first = query.target ? 1 : 0;
    const auto positive = all.subspan(first, query.positive.size());
    const auto negative = all.subspan(first + query.positive.size(), query.negative.size());
    switch (query.kind) {
      case Kind::sum_scores: return sum_scores(positive, negative);
      case Kind::context: return context(positive, negative);
      case Kind::discover: return discover(all.front(), positive, negative);
      case Kind::best_score:
      case Kind::average_vector: break;
    }
    return best_score(positive, negative);
  };
}

std::vector<float> average_vector(std::span<const std::vector<float>> positive,
                                  std::span<const std::vector<float>> negative) {
  std::vector<float> out(positive.front().size(), 0.0f);
  const auto add = [&out](std::span<const std::vector<float>> vectors, float factor) {
    for (const auto& vector : vectors)
      for (std::size_t i = 0; i < out.size(); ++i) out[i] += vector[i] * factor / static_cast<float>(vectors.size());
  };
  add(positive, negative.empty() ? 1.0f : 2.0f);
  add(negative, -1.0f);
  return out;
}

}  // namespace nestor::server
