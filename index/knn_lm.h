#pragma once
// kNN-LM (Khandelwal et al. 2020, "Generalization through Memorization"): neighbours become a
// distribution over next tokens, p(y) proportional to the sum of exp(-d_i / T) over neighbours with value y.

#include <cstdint>
#include <span>
#include <vector>

#include "index/collection.h"

namespace nestor::index {

struct TokenProbability {
  std::uint32_t token = 0;
  double probability = 0;
};

// distances: smaller is nearer (squared L2, or minus the dot product); values: the token of each neighbour.
// Computed by log-sum-exp in double. Best first, ties to the smaller token. Throws invalid_argument on
// sizes that differ, a temperature that is not finite and positive.
std::vector<TokenProbability> token_distribution(std::span<const float> distances, std::span<const std::uint32_t> values,
                                                 double temperature);

struct LookupOptions {
  SearchOptions search;       // search.k neighbours, 1024 is usual
  double temperature = 1.0;
  std::uint32_t top = 0;      // keep the best `top` tokens; 0: all
};

struct LookupResult {
  std::vector<TokenProbability> tokens;
  std::uint32_t neighbours = 0;           // that carried a value
  std::vector<StageReport> stages;
};

// Neighbours without a value are left out. queries [count x dim].
std::vector<LookupResult> lookup(const Collection& collection, std::span<const float> queries, std::size_t count,
                                 const LookupOptions& options, unsigned threads = 0);

}  // namespace nestor::index
