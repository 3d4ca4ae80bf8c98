#include "index/calibration.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "index/error.h"
#include "tests/support/catch.h"
#include "tests/support/random_vectors.h"

using namespace nestor::index;
using nestor::tests::test_seed;

namespace {

// The definition, term by term.
double slow_binomial_cdf(unsigned successes, unsigned trials, double p) {
  double sum = 0;
  for (unsigned k = 0; k <= successes; ++k)
    sum += std::exp(std::lgamma(trials + 1.0) - std::lgamma(k + 1.0) - std::lgamma(trials - k + 1.0) + k * std::log(p) +
                    (trials - k) * std::log1p(-p));
  return sum;
}

double slow_betting(const std::vector<float>& losses, double epsilon, double delta) {
  const auto n = static_cast<double>(losses.size());
  std::vector<double> mu, capital{1.0};
  for (std::size_t i = 0; i < losses.size(); ++i) {
    double variance = 0.25;
    for (std::size_t t = 0; t < i; ++t) variance += std::pow(static_cast<double>(losses[t]) - mu[t], 2);
    variance /= static_cast<double>(i) + 1;
    const double stake = std::min(1.0, std::sqrt(2 * std::log(1 / delta) / (n * variance)));
    capital.push_back(capital.back() * (1 - stake * (static_cast<double>(losses[i]) - epsilon)));
    double sum = 0.5;
    for (std::size_t t = 0; t <= i; ++t) sum += static_cast<double>(losses[t]);
    mu.push_back(sum / (static_cast<double>(i) + 2));
  }
  return 1 / *std::max_element(capital.begin(), capital.end());
}

// Policies whose risk is known: a query has a hardness h, exponential with mean 1, and policy j misses
// min(10, floor(h a_j)) of its 10 neighbours. P(floor(h a) >= m) = exp(-m / a).
class KnownRisk {
 public:
  static constexpr std::size_t kPolicies = 41;
  static double reach(std::size_t policy) { return 0.15 + 0.02 * static_cast<double>(policy); }
  static double risk(std::size_t policy) {
    double sum = 0;
    for (int m = 1; m <= 10; ++m) sum += std::exp(-m / reach(policy)) / 10;
    return sum;
  }

  void draw(std::mt19937_64& rng, std::size_t queries) {
    std::exponential_distribution<double> hardness;
    hardness_.resize(queries);
    for (double& h : hardness_) h = hardness(rng);
    losses_.resize(queries);
  }
  std::span<const float> losses(std::size_t policy) {
    for (std::size_t q = 0; q < hardness_.size(); ++q)
      losses_[q] = static_cast<float>(std::min(10, static_cast<int>(hardness_[q] * reach(policy)))) / 10.0f;
    return losses_;
  }

 private:
  std::vector<double> hardness_;
  std::vector<float> losses_;
};

double mean(std::span<const float> values) {
  double sum = 0;
  for (const float v : values) sum += static_cast<double>(v);
  return sum / static_cast<double>(values.size());
}

}  // namespace

TEST_CASE("the binomial distribution function equals the sum of its terms") {
  for (const unsigned n : {1u, 7u, 59u, 400u, 3000u})
    for (const double p : {0.001, 0.05, 0.3, 0.9})
      for (const unsigned k : {0u, 1u, n / 20, n / 4, n / 2, n - 1})
        if (k < n) {
          INFO("n " << n << " p " << p << " k " << k);
          CHECK(binomial_cdf(k, n, p) == Approx(slow_binomial_cdf(k, n, p)).epsilon(1e-9));
        }
  CHECK(binomial_cdf(5, 5, 0.5) == 1);
  CHECK(binomial_cdf(0, 5, 0) == 1);
  CHECK(binomial_cdf(4, 5, 1) == 0);
}

TEST_CASE("the betting p-value equals its definition, computed anew at every step") {
  std::mt19937_64 rng(test_seed());
  std::vector<float> losses(300);
  for (float& loss : losses) loss = static_cast<float>(rng() % 20 == 0 ? rng() % 10 : 0) / 10;
  for (const double epsilon : {0.01, 0.05, 0.2})
    CHECK(betting_p_value(losses, {epsilon, 0.1}) == Approx(slow_betting(losses, epsilon, 0.1)).epsilon(1e-9));
}

TEST_CASE("Hoeffding-Bentkus needs the published numbers of queries") {
  // Smallest n at delta 0.05, by epsilon and by observed risk over epsilon.
  struct Row {
    double epsilon;
    std::array<std::size_t, 4> n;  // for shares 0, 0.2, 0.4, 0.6
  };
  for (const Row& row : {Row{0.01, {299, 623, 1213, 2789}}, Row{0.02, {149, 310, 605, 1392}},
                         Row{0.05, {59, 122, 240, 554}}, Row{0.1, {29, 59, 118, 249}}}) {
    INFO("epsilon " << row.epsilon);
    CHECK(smallest_sample(RiskTest::hoeffding_bentkus, {row.epsilon, 0.05}) == row.n[0]);
    CHECK(sample_for({row.epsilon, 0.05}, 0) == row.n[0]);
    for (std::size_t i = 1; i < 4; ++i) {
      const double share = 0.2 * static_cast<double>(i);
      const std::size_t n = sample_for({row.epsilon, 0.05}, share);
      CHECK(n >= row.n[i] * 90 / 100);  // a whole number of failures more or less moves n by several per cent
      CHECK(n <= row.n[i] * 110 / 100);
    }
  }
}

TEST_CASE("the smallest sample is the first on which a policy without loss passes") {
  for (const RiskTest test : {RiskTest::hoeffding_bentkus, RiskTest::clopper_pearson, RiskTest::betting})
    for (const double epsilon : {0.002, 0.01, 0.05, 0.1}) {
      const RiskLevel level{epsilon, 0.05};
      const std::size_t n = smallest_sample(test, level);
      INFO(to_string(test) << " " << epsilon << ": " << n);
      CHECK(risk_p_value(test, std::vector<float>(n, 0), level) <= 0.05);
      CHECK(risk_p_value(test, std::vector<float>(n - 1, 0), level) > 0.05);
    }
  CHECK(smallest_expected_sample(0.05) == 19);
}

TEST_CASE("Clopper-Pearson is the binomial tail and refuses losses between 0 and 1") {
  std::vector<float> losses(200, 0);
  losses[3] = losses[77] = losses[150] = 1;
  CHECK(risk_p_value(RiskTest::clopper_pearson, losses, {0.05, 0.05}) == Approx(slow_binomial_cdf(3, 200, 0.05)));
  losses[5] = 0.5f;
  CHECK_THROWS_AS(risk_p_value(RiskTest::clopper_pearson, losses, {0.05, 0.05}), Error);
}

TEST_CASE("a certified choice breaks its promise in at most delta of 1,000 trials; the naive threshold in many more") {
  constexpr std::size_t kTrials = 1000, kQueries = 500;
  constexpr RiskLevel level{0.05, 0.05};
  std::mt19937_64 rng(test_seed());
  KnownRisk world;
  std::size_t naive_violations = 0, expected_n = 0;
  double expected_risk = 0;
  std::array<std::size_t, 2> violations{};
  std::array<double, 2> certified_risk{};
  constexpr std::array tests{RiskTest::hoeffding_bentkus, RiskTest::betting};
  const auto losses = [&](std::size_t policy) { return world.losses(policy); };
  for (std::size_t trial = 0; trial < kTrials; ++trial) {
    world.draw(rng, kQueries);
    for (std::size_t t = 0; t < tests.size(); ++t) {
      const auto choice = choose_certified(tests[t], KnownRisk::kPolicies, losses, level);
      REQUIRE(choice.chosen);
      violations[t] += KnownRisk::risk(*choice.chosen) > level.epsilon;
      certified_risk[t] += KnownRisk::risk(*choice.chosen) / kTrials;
    }
    std::size_t naive = 0;
    while (naive + 1 < KnownRisk::kPolicies && mean(world.losses(naive + 1)) <= level.epsilon) ++naive;
    naive_violations += KnownRisk::risk(naive) > level.epsilon;
    if (const auto choice = choose_expected(KnownRisk::kPolicies, losses, level.epsilon); choice.chosen) {
      expected_risk += KnownRisk::risk(*choice.chosen);
      ++expected_n;
    }
  }
  std::printf(
      "  violations in %zu trials of %zu queries: hoeffding-bentkus %zu, betting %zu, naive threshold %zu; "
      "mean certified risk %.4f, %.4f, expected %.4f, of 0.05\n",
      kTrials, kQueries, violations[0], violations[1], naive_violations, certified_risk[0], certified_risk[1],
      expected_risk / static_cast<double>(expected_n));
  INFO("seed " << test_seed());
  for (const std::size_t v : violations) CHECK(v <= 64);  // delta + 2 standard errors
  CHECK(naive_violations >= 200);
  CHECK(certified_risk[1] > certified_risk[0]);  // betting wastes less of the allowance
  CHECK(expected_n == kTrials);
  CHECK(expected_risk / kTrials <= level.epsilon);
}

TEST_CASE("testing stops at the first policy that fails and reports what it saw") {
  const std::vector<std::vector<float>> losses{std::vector<float>(200, 0), std::vector<float>(200, 0.04f),
                                               std::vector<float>(200, 0.9f), std::vector<float>(200, 0)};
  std::size_t asked = 0;
  const auto choice = choose_certified(RiskTest::hoeffding_bentkus, losses.size(),
                                       [&](std::size_t i) {
                                         ++asked;
                                         return std::span<const float>(losses[i]);
                                       },
                                       {0.1, 0.05});
  CHECK(choice.chosen == 1u);
  CHECK(asked == 3);
  REQUIRE(choice.tested.size() == 3);
  CHECK(choice.tested[2].risk == Approx(0.9));
  CHECK(choice.tested[2].p_value == 1);
}

TEST_CASE("nothing is promised when the safest policy fails") {
  const std::vector<float> bad(100, 0.5f);
  const auto losses = [&](std::size_t) { return std::span<const float>(bad); };
  CHECK_FALSE(choose_certified(RiskTest::betting, 3, losses, {0.05, 0.05}).chosen);
  CHECK_FALSE(choose_expected(3, losses, 0.05).chosen);
}

TEST_CASE("the expected choice holds a path to its worst point so far") {
  const std::vector<std::vector<float>> losses{{0, 0, 0, 0.3f}, {0, 0, 0.3f, 0}, {0.3f, 0, 0, 0}};
  const auto get = [&](std::size_t i) { return std::span<const float>(losses[i]); };
  // (0.3 + 1) / 5, (0.6 + 1) / 5, (0.9 + 1) / 5
  CHECK(choose_expected(3, get, 0.27).chosen == 0u);
  CHECK(choose_expected(3, get, 0.33).chosen == 1u);
  CHECK(choose_expected(3, get, 0.39).chosen == 2u);
}

TEST_CASE("losses, epsilons and deltas outside their range are refused") {
  const std::vector<float> good(10, 0), bad{0, 1.5f}, nan{std::nanf("")};
  CHECK_THROWS_AS(risk_p_value(RiskTest::betting, bad, {0.05, 0.05}), Error);
  CHECK_THROWS_AS(risk_p_value(RiskTest::betting, nan, {0.05, 0.05}), Error);
  CHECK_THROWS_AS(risk_p_value(RiskTest::betting, {}, {0.05, 0.05}), Error);
  CHECK_THROWS_AS(risk_p_value(RiskTest::betting, good, {0, 0.05}), Error);
  CHECK_THROWS_AS(risk_p_value(RiskTest::betting, good, {0.05, 1}), Error);
  CHECK_THROWS_AS(smallest_sample(RiskTest::betting, {0.05, std::nan("")}), Error);
  CHECK_THROWS_AS(parse_risk_test("guess"), Error);
  CHECK(parse_risk_test("betting") == RiskTest::betting);
}
