#include "server/fusion.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "server/protocol.h"

namespace nestor::server {
namespace {

float weight_of(const FusionQuery& fusion, std::size_t list) {
  return fusion.weights.empty() ? 1.0f : fusion.weights[list];
}

std::vector<float> reciprocal_ranks(const RankedList& list, float k, float weight) {
  std::vector<float> scores(list.hits.size(), 0.0f);
  if (weight > 0)
    for (std::size_t rank = 0; rank < scores.size(); ++rank)
      scores[rank] = 1.0f / ((static_cast<float>(rank) + 1) / weight + k - 1);
  return scores;
}

std::vector<float> normalised(const RankedList& list) {
  std::vector<float> scores;
  constexpr float kMost = std::numeric_limits<float>::max();
  for (const QueryHit& hit : list.hits)
    scores.push_back(std::clamp(list.smaller_is_better ? -hit.score : hit.score, -kMost, kMost));
  double sum = 0, squares = 0;
  for (const float score : scores) sum += score;
  const double mean = sum / static_cast<double>(scores.size());
  for (const float score : scores) squares += (score - mean) * (score - mean);
  const double deviation = scores.size() < 2 ? 0 : std::sqrt(squares / static_cast<double>(scores.size() - 1));
  for (float& score : scores)
    score = deviation > 0 ? static_cast<float>((score - (mean - 3 * deviation)) / (6 * deviation)) : 0.5f;
  return scores;
}

}  // namespace

std::vector<QueryHit> fuse(std::span<const RankedList> lists, const FusionQuery& fusion) {
  if (!fusion.weights.empty() && fusion.weights.size() != lists.size())
    validation_error("rrf.weights", std::to_string(fusion.weights.size()) + " weights for " +
                                        std::to_string(lists.size()) + " prefetches, expected one each");
  std::vector<QueryHit> fused;
  std::unordered_map<index::PointId, std::size_t, index::PointIdHash> places;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    const auto scores = fusion.kind == FusionQuery::Kind::rrf
                            ? reciprocal_ranks(lists[i], fusion.k, weight_of(fusion, i))
                            : normalised(lists[i]);
    for (std::size_t rank = 0; rank < scores.size(); ++rank) {
      const auto [place, is_new] = places.try_emplace(lists[i].hits[rank].id, fused.size());
      if (is_new) {
        fused.push_back(lists[i].hits[rank]);
        fused.back().score = 0;
      }
      fused[place->second].score += scores[rank];
    }
  }
  std::sort(fused.begin(), fused.end(), [](const QueryHit& a, const QueryHit& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  });
  return fused;
}

}  // namespace nestor::server
