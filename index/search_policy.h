#pragma once
// How deep a query goes: what calibration chooses between, and what a certificate names.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "index/types.h"

namespace nestor::index {

// What a walk knows at no cost at the moment its gap is reached, from the distances it has anyway (of codes):
//   contrast   d_1 / d_k
//   margin     d_(k+1) / d_k - 1
//   spread     d_last / d_k - 1, the last of the shortlist
//   calm       share of the hops since the k nearest last changed
//   hops       ln(candidates expanded)
//   distance   ln(d_k)
inline constexpr std::size_t kWalkFeatures = 6;
using WalkFeatures = std::array<float, kWalkFeatures>;

// A second look: a walk that has reached its gap goes on to a wider one when what it knows makes it expect to gain.
struct DeferralRule {
  WalkFeatures weights{};
  float bias = 0;
  float threshold = 0;  // goes on when weights . features + bias > threshold
  float gap = 0;        // the wider one

  bool operator==(const DeferralRule&) const = default;
  float score(const WalkFeatures& features) const {
    float sum = bias;
    for (std::size_t i = 0; i < kWalkFeatures; ++i) sum += weights[i] * features[i];
    return sum;
  }
};

struct SearchPolicy {
  std::uint32_t explore = 0;  // candidates the walk expands at most (ef)
  float gap = 0;              // the walk stops when d(next) > (1 + gap) d(k-th); 0: never
  std::uint32_t keep = 0;     // shortlist after the walk
  std::uint32_t rerank = 0;   // candidates ranked exactly
  std::optional<DeferralRule> deferral;

  bool operator==(const SearchPolicy&) const = default;
};

// "gap 0.140, ef 400, keep 25, rank 20"
std::string to_string(const SearchPolicy& policy);

// What policies have to know of a collection.
struct PolicySpace {
  std::uint32_t k = 10;
  std::uint32_t walk_width = 0;   // coordinates that the walk compares
  std::uint32_t coded_width = 0;  // ... and that the codes hold
  std::uint32_t dim = 0;          // ... and that rank the answer
  bool coarse = false;            // walks go by the leading bits of the codes
};

// The full ladder: what serves where nothing is certified. No gap, a wide walk, a long shortlist.
SearchPolicy safe_policy(const PolicySpace& space);

// The policies worth measuring, without learnt parts, in no order: gaps where k is not large, fixed numbers of candidates
// always, each with shorter and longer shortlists.
std::vector<SearchPolicy> candidate_policies(const PolicySpace& space);

// A policy as it was measured on the first split.
struct MeasuredPolicy {
  SearchPolicy policy;
  double loss = 0;  // mean
  double cost = 0;  // mean, any unit
};

// The path of calibration: `safest` first, then from dear to cheap the policies that lose no more than any cheaper one,
// `limit` at most, evenly spread over ln(cost). Equal losses stay: where few queries lose anything, a sample cannot tell
// near policies apart, and a path that jumps from the safest to the cheapest of them certifies nothing between.
std::vector<MeasuredPolicy> policy_path(const MeasuredPolicy& safest, std::vector<MeasuredPolicy> measured,
                                        std::size_t limit);

}  // namespace nestor::index
