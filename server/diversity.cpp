#include "server/diversity.h"

#include <algorithm>
#include <limits>

#include "index/distance.h"

namespace nestor::server {
namespace {

struct Candidate {
  QueryHit hit;
  std::vector<float> vector;
  float relevance = 0;
  float redundancy = -std::numeric_limits<float>::infinity();  // largest similarity to what has been taken
};

float similarity_of(index::Metric metric, float score) { return metric == index::Metric::l2 ? -score : score; }

}  // namespace

std::vector<QueryHit> diversify(const OpenCollection& target, std::vector<QueryHit> hits, float share,
                                std::size_t count) {
  const index::Metric metric = target->options().metric;
  std::vector<Candidate> left;
  for (QueryHit& hit : hits) {
    auto record = target->get(hit.id, true, false);
    if (!record) continue;  // deleted since the search
    const float relevance = similarity_of(metric, hit.score);
    left.push_back({std::move(hit), std::move(record->vector), relevance});
  }
  std::vector<QueryHit> taken;
  while (!left.empty() && taken.size() < count) {
    const auto gain = [&](const Candidate& c) {
      return taken.empty() ? c.relevance : (1 - share) * c.relevance - share * c.redundancy;
    };
    const auto best = std::max_element(left.begin(), left.end(),
                                       [&](const Candidate& a, const Candidate& b) { return gain(a) < gain(b); });
    const Candidate chosen = std::move(*best);
    left.erase(best);
    const index::ExactDistance distance_to(metric, chosen.vector.data(), chosen.vector.size(), chosen.vector.size());
    for (Candidate& c : left) {
      const float distance = distance_to(c.vector.data());
      c.redundancy = std::max(c.redundancy, similarity_of(metric, index::score_from_distance(metric, distance)));
    }
    taken.push_back(chosen.hit);
  }
  return taken;
}

}  // namespace nestor::server
