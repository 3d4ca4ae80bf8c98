#include "server/diversity.h"

#include <algorithm>
#include <limits>

#include "index/distance.h"
#include "server/example_scores.h"

namespace nestor::server {
namespace {

struct Candidate {
  QueryHit hit;
  std::vector<float> vector;
  float relevance = 0;
  float redundancy = -std::numeric_limits<float>::infinity();  // largest similarity to what has been taken
};

}  // namespace

std::vector<QueryHit> diversify(const OpenCollection& target, std::vector<QueryHit> hits, float share,
                                std::size_t count) {
  const index::Metric metric = target->options().metric;
  const bool uneven = target->options().scalar_type == index::ScalarType::float16;
  std::vector<Candidate> left;
  for (QueryHit& hit : hits) {
    auto record = target->get(hit.id, true, false);
    if (!record) continue;  // deleted since the search
    const float relevance = similarity_from_distance(metric, hit.distance);
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
    const index::ExactDistance distance_to(metric, chosen.vector.data(), chosen.vector.size(), chosen.vector.size(),
                                           uneven);
    for (Candidate& c : left)
      c.redundancy = std::max(c.redundancy, similarity_from_distance(metric, distance_to(c.vector.data())));
    taken.push_back(chosen.hit);
  }
  return taken;
}

}  // namespace nestor::server
