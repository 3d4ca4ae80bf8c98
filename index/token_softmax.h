#pragma once
// The arithmetic of kNN-LM (Khandelwal et al. 2020, "Generalization through Memorization", equations 2 and 3): from
// distances, tokens and weights of neighbours to a distribution over next tokens. Double precision, log-sum-exp
// throughout: nothing overflows, and log-probabilities stay exact where a probability would be 0.

#include <cstdint>
#include <span>
#include <vector>

namespace nestor::index {

// How a row's weight w (greedy merge, He et al. 2021, "Efficient Nearest Neighbor Language Models") enters:
// after_temperature: exp(-d / T) * w, as if the row stood there w times; compatible: exp((log w - d) / T), as the
// authors' code has it, where T flattens the weights too.
enum class WeightMode : std::uint8_t { after_temperature, compatible };

struct TokenProbability {
  std::uint32_t token = 0;
  double probability = 0;
};

// The neighbours of one query. distances: smaller is nearer (squared L2, minus the product, 1 - cosine).
struct VotingNeighbours {
  std::span<const float> distances;
  std::span<const std::uint32_t> values;  // as many: the token of each
  std::span<const float> weights = {};    // as many, finite and positive; empty: all 1
  double temperature = 1.0;
  WeightMode mode = WeightMode::after_temperature;
};

// Throws Error invalid_argument unless finite and positive.
void check_temperature(double temperature);

// exp(e_i - max e), at least one of them is 1, and log of their sum plus max e, where e_i is the exponent of each
// neighbour relative to the nearest. Throws invalid_argument on sizes that differ, a NaN, a bad temperature.
struct SoftmaxTerms {
  std::vector<double> exponents;  // e_i, at most 0 without weights
  double highest = 0;             // max e_i
  double log_total = 0;           // log sum exp(e_i)
  double nearest = 0;             // the effective distance that e is relative to
};
SoftmaxTerms softmax_terms(const VotingNeighbours& neighbours);

// p(y) = sum_{i: v_i = y} w_i exp(-d_i / T) / sum_i w_i exp(-d_i / T). Best first, ties to the smaller token.
std::vector<TokenProbability> token_distribution(const VotingNeighbours& neighbours);
std::vector<TokenProbability> token_distribution(std::span<const float> distances,
                                                 std::span<const std::uint32_t> values, double temperature);

// log p(token); -infinity where no neighbour has it.
double token_log_probability(const VotingNeighbours& neighbours, std::uint32_t token);

// An upper bound on the total variation distance between the distribution of these neighbours and the one of `omitted`
// more, none of which is nearer than `farthest` or heavier than `max_weight`: with Z the sum of the terms here and
// M = omitted * w_max * exp(-farthest / T), the omitted share of the mass is at most M / (Z + M), and removing a share
// m of the mass moves a distribution by at most m in total variation. 0 for omitted = 0; 1 where nobody votes.
double omitted_mass_bound(const VotingNeighbours& neighbours, double omitted, float farthest, float max_weight);

// log(lambda p_kNN + (1 - lambda) p_LM) from logarithms. lambda in 0..1; -infinity stands for probability 0.
double mixed_log_probability(double knn_log_probability, double lm_log_probability, double lambda);

}  // namespace nestor::index
