#pragma once
// kNN-LM over a collection (Khandelwal et al. 2020, "Generalization through Memorization"): the neighbours of a query
// become a distribution over next tokens, or the log-probability of one given token, beside the data.

#include <cstdint>
#include <span>
#include <vector>

#include "index/collection.h"
#include "index/row_columns.h"
#include "index/token_softmax.h"

namespace nestor::index {

// Stands for log 0 where an answer has to be finite, as in the code of the kNN-LM family.
inline constexpr double kAbsentLogProbability = -10000;

struct LookupOptions {
  SearchOptions search;  // search.k neighbours, 1024 is usual
  double temperature = 1.0;
  std::uint32_t top = 0;  // keep the best `top` tokens; 0: all
  // Certified adaptive k: 32 neighbours are asked for, then as many doublings as are likely to do, or all k, until
  // those left out of the k can move the distribution by at most eta in total variation. 0: all k at once. The bound
  // holds for true nearest neighbours: always with search.exact, and as far as the walk finds them without.
  double eta = 0;
  const RowColumns* columns = nullptr;  // weights and documents; null: none
  WeightMode weight_mode = WeightMode::after_temperature;
  // For each query the document whose rows must not answer, or kNoDocument. Empty: none. Needs columns.
  std::span<const std::uint64_t> excluded_documents;
};

struct LookupResult {
  std::vector<TokenProbability> tokens;
  std::uint32_t neighbours = 0;      // that carried a value
  std::uint32_t searched = 0;        // neighbours that were asked for: k, or fewer with eta
  double total_variation_bound = 0;  // against all k of the same search
  std::vector<StageReport> stages;
  std::optional<Certification> certification;  // of the neighbours, when a target was given
};

// Neighbours without a value are left out. queries [count x dim], row-major, in batches of any size; threads = 0: all
// cores. Throws Error invalid_argument.
std::vector<LookupResult> lookup(const Collection& collection, std::span<const float> queries, std::size_t count,
                                 const LookupOptions& options, unsigned threads = 0);

// What was asked to be scored.
struct ScoreTargets {
  std::span<const std::uint32_t> tokens;        // one per query
  std::span<const float> lm_log_probabilities;  // natural log of p_LM(token), one per query
  std::span<const float> lambdas;               // weight of p_kNN in 0..1: one for all, or one per query
};

struct TokenScore {
  double log_probability = 0;      // log(lambda p_kNN + (1 - lambda) p_LM), at least kAbsentLogProbability
  double knn_log_probability = 0;  // log p_kNN, kAbsentLogProbability where no neighbour has the token
  std::uint32_t neighbours = 0;
  std::uint32_t searched = 0;  // 0: not searched
  double total_variation_bound = 0;
};

// A query whose lambda is 0 is not searched at all: a skip gate sets it (He et al. 2021, adaptive retrieval).
std::vector<TokenScore> score(const Collection& collection, std::span<const float> queries, std::size_t count,
                              const ScoreTargets& targets, const LookupOptions& options, unsigned threads = 0);

// The plain neighbours under the same options: excluded documents, warm starts; adaptive k does not apply.
std::vector<QueryResult> neighbours(const Collection& collection, std::span<const float> queries, std::size_t count,
                                    const LookupOptions& options, unsigned threads = 0);

}  // namespace nestor::index
