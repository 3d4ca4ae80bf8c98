#include "index/ranking_metrics.h"

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "index/error.h"
#include "tests/support/catch.h"
#include "tests/support/random_vectors.h"

using namespace nestor::index;
using Values = std::vector<double>;

namespace {

constexpr double kGone = -std::numeric_limits<double>::infinity();

double value(RankingMetric metric, const Values& scores, const Values& labels, const RankingRules& rules = {}) {
  return ranking_metric(metric, {scores, labels}, rules);
}
double ndcg(const Values& s, const Values& y, std::optional<std::size_t> n = {}) {
  return value(RankingMetric::ndcg, s, y, {n, {}});
}

// The definitions with ranks counted by comparison, no sorting. Distinct scores.
double slow_rank(const Values& scores, std::size_t i) {
  double rank = 1;
  for (const double s : scores) rank += s > scores[i];
  return rank;
}

struct SlowTwin {
  const Values& s;
  const Values& y;
  double n;

  bool in(std::size_t i) const { return s[i] > kGone && slow_rank(s, i) <= n; }
  bool good(std::size_t i) const { return y[i] >= 1; }
  double count(bool retrieved, bool relevant) const {
    double sum = 0;
    for (std::size_t i = 0; i < s.size(); ++i) sum += (!retrieved || in(i)) && (!relevant || good(i));
    return sum;
  }
  double over(double a, double b) const { return b == 0 ? 0 : a / b; }
  double mrr() const {
    double best = 0;
    for (std::size_t i = 0; i < s.size(); ++i)
      if (in(i) && good(i)) best = std::max(best, 1 / slow_rank(s, i));
    return best;
  }
  double ap() const {
    double sum = 0;
    for (std::size_t i = 0; i < s.size(); ++i) {
      if (!in(i) || !good(i)) continue;
      double above = 0;
      for (std::size_t j = 0; j < s.size(); ++j) above += good(j) && slow_rank(s, j) <= slow_rank(s, i);
      sum += above / slow_rank(s, i);
    }
    return over(sum, count(false, true));
  }
  double dcg() const {
    double sum = 0;
    for (std::size_t i = 0; i < s.size(); ++i)
      if (in(i)) sum += (std::pow(2, y[i]) - 1) / std::log2(slow_rank(s, i) + 1);
    return sum;
  }
};

}  // namespace

TEST_CASE("ndcg has the published values") {
  CHECK(ndcg({2, 1, 3}, {2, 0, 1}) == Approx(0.79671).margin(1e-5));
  const Values s1{2, 1, 3}, y1{2, 0, 1}, s2{1, 0.5, 1.5}, y2{0, 0, 1};
  const std::vector<RankingList> lists{{s1, y1}, {s2, y2}};
  CHECK(mean_ranking_metric(RankingMetric::ndcg, lists) == Approx(0.89835).margin(1e-5));
  CHECK(ndcg({-1, 1, 0}, {0, 0, 1}) == Approx(0.63093).margin(1e-5));
  CHECK(ndcg({3, 2, 1}, {2, 1, 0}) == Approx(1));
  CHECK(ndcg({3, 2, 1}, {0, 0, 0}) == 0);
}

TEST_CASE("every metric equals its slow twin on random lists, with and without a cutoff") {
  std::mt19937_64 rng(nestor::tests::test_seed());
  std::normal_distribution<double> normal;
  for (int round = 0; round < 200; ++round) {
    const std::size_t size = 1 + rng() % 20, cutoff = 1 + rng() % 22;
    Values s(size), y(size);
    for (std::size_t i = 0; i < size; ++i) {
      s[i] = rng() % 6 == 0 ? kGone : normal(rng);
      y[i] = static_cast<double>(rng() % 4 == 0 ? rng() % 4 : 0);
    }
    const SlowTwin slow{s, y, static_cast<double>(cutoff)};
    const RankingRules rules{cutoff, {}};
    INFO("round " << round);
    CHECK(value(RankingMetric::mrr, s, y, rules) == Approx(slow.mrr()).margin(1e-12));
    CHECK(value(RankingMetric::average_precision, s, y, rules) == Approx(slow.ap()).margin(1e-12));
    CHECK(value(RankingMetric::dcg, s, y, rules) == Approx(slow.dcg()).margin(1e-12));
    CHECK(value(RankingMetric::recall, s, y, rules) ==
          Approx(slow.over(slow.count(true, true), slow.count(false, true))).margin(1e-12));
    CHECK(value(RankingMetric::precision, s, y, rules) ==
          Approx(slow.over(slow.count(true, true), slow.count(true, false))).margin(1e-12));
    CHECK(value(RankingMetric::dcg, s, y) == Approx(SlowTwin{s, y, 1e9}.dcg()).margin(1e-12));
  }
}

TEST_CASE("precision divides by what was retrieved, average precision by all that is relevant") {
  CHECK(value(RankingMetric::precision, {3, 2, kGone}, {1, 0, 1}, {10, {}}) == Approx(0.5));
  CHECK(value(RankingMetric::average_precision, {4, 3, 2, 1}, {1, 1, 1, 1}, {2, {}}) == Approx(0.5));
  CHECK(value(RankingMetric::recall, {3, 2, kGone}, {1, 0, 1}) == Approx(0.5));
}

TEST_CASE("labels below 1 are not relevant; gains are graded") {
  CHECK(value(RankingMetric::mrr, {3, 2, 1}, {0.5, 1, 3}) == Approx(0.5));
  CHECK(value(RankingMetric::dcg, {1}, {3}) == Approx(7));
}

TEST_CASE("opa counts score ties as wrong and knows no cutoff") {
  CHECK(value(RankingMetric::opa, {3, 2, 1}, {2, 1, 0}) == 1);
  CHECK(value(RankingMetric::opa, {3, 3, 1}, {2, 1, 0}, {1, {}}) == Approx(2.0 / 3));
  CHECK(value(RankingMetric::opa, {1, 2, 3}, {1, 1, 1}) == 0);
}

TEST_CASE("ties keep input order unless a seed shuffles them") {
  CHECK(ranks({Values{1, 1, 1}, Values{0, 0, 0}}) == std::vector<std::size_t>{1, 2, 3});
  double first = 0;
  for (std::uint64_t seed = 0; seed < 600; ++seed)
    first += value(RankingMetric::mrr, {1, 1, 1}, {0, 0, 1}, {1, seed}) / 600;
  CHECK(first == Approx(1.0 / 3).margin(0.08));  // four standard errors
}

TEST_CASE("masked items rank last and do not count; lists without any item leave the mean") {
  const std::vector<std::uint8_t> mask{0, 1, 1}, none{0, 0, 0};
  const Values s{9, 2, 1}, y{3, 1, 0};
  CHECK(ranking_metric(RankingMetric::ndcg, {s, y, mask}) == Approx(1));
  CHECK(ranking_metric(RankingMetric::ndcg, {s, y, none}) == 0);
  CHECK(ranks({s, y, mask}) == std::vector<std::size_t>{3, 1, 2});
  const std::vector<RankingList> lists{{s, y, mask}, {s, y, none}};
  CHECK(mean_ranking_metric(RankingMetric::ndcg, lists) == Approx(1));
  CHECK(mean_ranking_metric(RankingMetric::ndcg, {}) == 0);
}

TEST_CASE("labels below 0 count as 0, and large ones are compared by their ratios") {
  const auto ndcg = [](std::vector<double> scores, std::vector<double> labels) {
    return ranking_metric(RankingMetric::ndcg, {scores, labels});
  };
  CHECK(ndcg({2, 1}, {1, -1}) == 1.0);
  CHECK(ndcg({3, 2}, {-2, 1}) == Approx(1 / std::log2(3)));
  CHECK(ndcg({3, 2}, {-2, -1}) == 0.0);
  CHECK(ndcg({3, 2, 1}, {2, -1, 1}) == ndcg({3, 2, 1}, {2, 0, 1}));
  const auto value = [](RankingMetric metric, std::vector<double> labels) {
    const std::vector<double> scores{3, 2, 1};
    return ranking_metric(metric, {scores, labels});
  };
  for (const RankingMetric metric : {RankingMetric::dcg, RankingMetric::mrr, RankingMetric::precision,
                                     RankingMetric::recall, RankingMetric::average_precision, RankingMetric::opa})
    CHECK(value(metric, {-1, 1, -2}) == value(metric, {0, 1, 0}));
  CHECK(ndcg({2, 1}, {2000, 1}) == 1.0);
  CHECK(ndcg({1, 2}, {2000, 1}) == Approx(1 / std::log2(3)));
  CHECK(ndcg({1, 2}, {513, 512}) == Approx(ndcg({1, 2}, {400, 399})));
  CHECK_THROWS_AS(value(RankingMetric::dcg, {2000, 1, 0}), Error);
  CHECK_THROWS_AS(value(RankingMetric::ndcg, {std::numeric_limits<double>::infinity(), 1, 0}), Error);
}

TEST_CASE("weights multiply gains in both dcgs") {
  const Values s{2, 1}, y{1, 1}, w{1, 3};
  CHECK(ranking_metric(RankingMetric::dcg, {s, y, {}, w}) == Approx(1 + 3 / std::log2(3.0)));
  CHECK(ranking_metric(RankingMetric::ndcg, {s, y, {}, w}) ==
        Approx((1 + 3 / std::log2(3.0)) / (3 + 1 / std::log2(3.0))));
}

TEST_CASE("NaN stays NaN, and lists of unlike lengths are refused") {
  CHECK(std::isnan(ndcg({std::nan(""), 1}, {1, 0})));
  CHECK_THROWS_AS(ndcg({1, 2}, {1}), Error);
  CHECK_THROWS_AS(parse_ranking_metric("map"), Error);
  for (const auto metric : {RankingMetric::ndcg, RankingMetric::average_precision, RankingMetric::opa})
    CHECK(parse_ranking_metric(to_string(metric)) == metric);
}
