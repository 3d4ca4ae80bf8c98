#pragma once
// Re-scoring of generated candidates by how well retrieved evidence supports them (LaMDA, Thoppilan et al. 2022:
// several candidates are sampled and ranked again): each candidate vector against all evidence vectors.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "index/types.h"

namespace nestor::index {

enum class Support : std::uint8_t { best, mean };  // the best evidence counts, or all of it

Support parse_support(std::string_view text);  // "max", "mean"; throws Error invalid_argument

struct CandidateEvidence {
  std::span<const float> candidates;  // [M x dim]
  std::span<const float> evidence;    // [N x dim]
  std::size_t dim = 0;
  Metric metric = Metric::cosine;
  Support support = Support::best;
};

// M scores, larger is better supported: the cosine or product, or minus the squared distance. O(M N dim). Throws
// Error invalid_argument: no evidence, lengths that do not fit, a number that is not finite, a zero vector with cosine.
std::vector<float> score_candidates(const CandidateEvidence& input);

}  // namespace nestor::index
