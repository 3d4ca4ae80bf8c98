#pragma once
// From losses on a sample of queries to a promise about queries to come.
//
// A policy's loss on one query lies in 0..1, for example 1 - recall@k; its risk is the loss to be expected of a query
// drawn as the sample was. A test turns the losses of n such queries into a p-value of "the risk exceeds epsilon".
// Policies are put in order beforehand, the safest first, without a look at this sample; they are tested in that order
// until one fails, and the last one that passed is certified: whatever the risks are, the probability, over samples,
// that the risk of the chosen policy exceeds epsilon is at most delta. No monotonicity is needed and nothing is divided
// by the number of policies (Angelopoulos, Bates, Candes, Jordan, Lei: "Learn then Test", arXiv 2110.01052, fixed
// sequence testing). The promise holds for the mean over queries, not for each query, and for queries like the sample.
//
// Pure functions, thread-safe. All throw Error invalid_argument on a loss, epsilon or delta outside its range.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace nestor::index {

// hoeffding_bentkus: any loss (Bates et al., arXiv 2101.02703, proposition 3). clopper_pearson: losses of 0 or 1 alone,
// exact. betting: any loss, strongest where losses vary little (Waudby-Smith and Ramdas, arXiv 2010.09686).
enum class RiskTest : std::uint8_t { hoeffding_bentkus = 0, clopper_pearson = 1, betting = 2 };

std::string_view to_string(RiskTest test);  // "hoeffding-bentkus", "clopper-pearson", "betting"
RiskTest parse_risk_test(std::string_view text);

// What is promised: the risk is at most epsilon, and the promise is wrong with probability delta at most. Both in (0,
// 1).
struct RiskLevel {
  double epsilon = 0.05;
  double delta = 0.05;
};

// P(X <= successes) of a binomial X. O(successes).
double binomial_cdf(std::uint64_t successes, std::uint64_t trials, double probability);

// min( exp(-n h(min(r, e), e)), exp(1) P(Bin(n, e) <= ceil(n r)) ), h(a, b) = a ln(a/b) + (1-a) ln((1-a)/(1-b)).
double hoeffding_bentkus_p_value(double mean_loss, std::size_t n, double epsilon);
// P(Bin(n, e) <= failures).
double clopper_pearson_p_value(std::uint64_t failures, std::size_t n, double epsilon);
// A gambler starts with 1 and stakes nu_i on each loss being below epsilon: K_i = K_{i-1} (1 - nu_i (L_i - e)),
// nu_i = min(1, sqrt(2 ln(1/delta) / (n s2_{i-1}))), with running mean mu_i = (1/2 + sum L) / (i + 1) and variance
// s2_i = (1/4 + sum (L - mu)^2) / (i + 1), s2_0 = 1/4; p = min(1, 1 / max K). Depends on the order of the losses, which
// must be drawn once, before they are seen. O(n).
double betting_p_value(std::span<const float> losses, RiskLevel level);

double risk_p_value(RiskTest test, std::span<const float> losses, RiskLevel level);

// The fewest queries on which a policy without any loss passes: ln(delta) / ln(1 - epsilon), and for the betting
// test, which stakes carefully at first, more (found by running it). 59 for Clopper-Pearson at 0.05, 0.05.
std::size_t smallest_sample(RiskTest test, RiskLevel level);
// The fewest queries on which a mean loss of `share` * epsilon passes Hoeffding-Bentkus; the betting test needs no more
// where losses vary little. share in [0, 1). Tries every n: 20 ms for (0.01, 0.9), more nearer to 1.
std::size_t sample_for(RiskLevel level, double share);

struct TestedPolicy {
  double risk = 0;     // mean loss on the sample
  double p_value = 1;  // of "the risk exceeds epsilon"
};

struct CalibratedChoice {
  std::optional<std::size_t> chosen;  // nullopt: not even the safest passes, nothing may be promised
  std::vector<TestedPolicy> tested;   // in order; the last one failed unless all passed
};

// Losses of policy i on the n queries of the sample, in the sample's drawn order. Asked for in order, once each, and
// only as far as policies pass.
using PolicyLosses = std::function<std::span<const float>(std::size_t policy)>;

// "certified": the risk of the choice exceeds epsilon with probability delta at most. The test must have been fixed
// beforehand.
CalibratedChoice choose_certified(RiskTest test, std::size_t policies, const PolicyLosses& losses, RiskLevel level);

// "expected": conformal risk control (Angelopoulos, Bates, Fisch, Lei, Schuster, arXiv 2208.02814). The cheapest policy
// with (n r + 1) / (n + 1) <= epsilon, where each query's loss counts as the largest along the path so far. Then the
// loss of the next query is at most epsilon on average over samples too: weaker than "certified", needs fewer queries
// (1 / epsilon - 1 at least). delta is not used; p_value is left at 1.
CalibratedChoice choose_expected(std::size_t policies, const PolicyLosses& losses, double epsilon);
std::size_t smallest_expected_sample(double epsilon);

}  // namespace nestor::index
